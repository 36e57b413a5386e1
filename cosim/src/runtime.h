// Included before every file of the Verilator runtime and the model: what a design prints goes to
// the model's log (see shim.cpp), never to the standard output of the program that loaded it.
#ifndef HEARTBIT_RUNTIME_H
#define HEARTBIT_RUNTIME_H
int heartbit_printf(const char* format, ...) __attribute__((format(printf, 1, 2)));
#define VL_PRINTF heartbit_printf
#endif
