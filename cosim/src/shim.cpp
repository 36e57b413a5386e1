// C interface of one Verilated model, compiled together with every generated C++ file.
//
// The build puts three things in front of this text: the includes of the generated files, the macro
// HB_TRACE (0 or 1), and the table HB_PORTS of the top module's ports. The functions below are the
// whole exported surface; cosim/src/ffi.rs holds the matching Rust declarations, and HB_ABI must
// change with them.
//
// Nothing here may end the process or let an exception escape: $stop, $fatal, and the runtime's own
// fatal errors become a status that the caller reads.

#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

namespace {

constexpr uint32_t HB_NONE = 0xffffffffU;
constexpr size_t HB_LOG_LIMIT = 1U << 20;

enum : uint32_t { HB_RUNNING = 0, HB_FINISHED = 1, HB_FATAL = 2 };

struct PortSlot {
    void* data;
    uint32_t bytes;  // 1, 2, 4, 8: one integer; 0: an array of 32-bit words
    uint32_t words;
};

// Drives a valid/ready port: offers the next beat in a slot, until it is accepted.
struct Source {
    const PortSlot* valid = nullptr;
    const PortSlot* ready = nullptr;
    const PortSlot* data = nullptr;
    std::vector<uint32_t> beats;  // repeated for ever; empty: no source
    std::vector<uint8_t> pattern;  // which cycles are slots, repeated for ever
    uint64_t first = 0;            // the cycle of the pattern's first entry
    size_t next = 0;               // first word of the beat that is offered, or the next one
    bool offering = false;
};

struct FatalError {};

struct Handle {
    VerilatedContext context;
    Vmodel* model = nullptr;
    PortSlot ports[HB_PORT_COUNT] = {};
    uint64_t cycle = 0;  // completed clock periods
    uint64_t now = 0;    // simulated time
    uint32_t status = HB_RUNNING;
    bool broken = false;  // an evaluation was cut short: the model's state means nothing any more
    std::string message;
    std::string log;
    Source source;
#if HB_TRACE
    VerilatedFstC* trace = nullptr;
#endif
};

thread_local Handle* current = nullptr;

struct Enter {
    Handle* const outer = current;
    explicit Enter(Handle* h) {
        current = h;
        Verilated::threadContextp(&h->context);
    }
    ~Enter() { current = outer; }
};

void fail(Handle* h, const std::string& text) {
    if (h->status != HB_FATAL) h->message = text;
    h->status = HB_FATAL;
}

template <class Body>
void guarded(Handle* h, Body body) {
    if (h->broken) return;
    Enter enter{h};
    try {
        body();
    } catch (const FatalError&) {
        h->broken = true;
    } catch (const std::exception& e) {
        h->broken = true;
        fail(h, std::string("C++ exception: ") + e.what());
    } catch (...) {
        h->broken = true;
        fail(h, "unknown C++ exception");
    }
}

void dump(Handle* h) {
#if HB_TRACE
    if (h->trace) h->trace->dump(h->now);
#else
    (void)h;
#endif
}

// Time: one clock period is ten units, from falling edge to falling edge. Inputs take effect at the
// units 1 to 4 (later evaluations before the edge are not traced), the clock rises at unit 5.
void settle(Handle* h) {
#if HB_HAS_CLOCK
    const bool step = h->now % 10 < 4;
    if (step) ++h->now;
#else
    const bool step = true;
    h->now += 10;
#endif
    h->context.time(h->now);
    h->model->eval();
    if (step) dump(h);
}

void read_port(const PortSlot& p, uint32_t* out) {
    switch (p.bytes) {
    case 1: out[0] = *static_cast<const uint8_t*>(p.data); break;
    case 2: out[0] = *static_cast<const uint16_t*>(p.data); break;
    case 4: out[0] = *static_cast<const uint32_t*>(p.data); break;
    case 8: {
        const uint64_t v = *static_cast<const uint64_t*>(p.data);
        out[0] = static_cast<uint32_t>(v);
        out[1] = static_cast<uint32_t>(v >> 32);
        break;
    }
    default: std::memcpy(out, p.data, p.words * sizeof(uint32_t)); break;
    }
}

void write_port(const PortSlot& p, const uint32_t* in) {
    switch (p.bytes) {
    case 1: *static_cast<uint8_t*>(p.data) = static_cast<uint8_t>(in[0]); break;
    case 2: *static_cast<uint16_t*>(p.data) = static_cast<uint16_t>(in[0]); break;
    case 4: *static_cast<uint32_t*>(p.data) = in[0]; break;
    case 8:
        *static_cast<uint64_t*>(p.data) = (static_cast<uint64_t>(in[1]) << 32) | in[0];
        break;
    default: std::memcpy(p.data, in, p.words * sizeof(uint32_t)); break;
    }
}

bool is_nonzero(const PortSlot& p) {
    switch (p.bytes) {
    case 1: return *static_cast<const uint8_t*>(p.data) != 0;
    case 2: return *static_cast<const uint16_t*>(p.data) != 0;
    case 4: return *static_cast<const uint32_t*>(p.data) != 0;
    case 8: return *static_cast<const uint64_t*>(p.data) != 0;
    default: break;
    }
    const uint32_t* words = static_cast<const uint32_t*>(p.data);
    for (uint32_t i = 0; i < p.words; ++i) {
        if (words[i]) return true;
    }
    return false;
}

#if HB_HAS_CLOCK
// The source's pins in the present cycle; they take effect at the next evaluation.
void offer(Handle* h) {
    Source& s = h->source;
    if (!s.offering && h->cycle >= s.first) {
        s.offering = s.pattern[(h->cycle - s.first) % s.pattern.size()] != 0;
        if (s.offering) write_port(*s.data, &s.beats[s.next]);
    }
    const uint32_t valid = s.offering;
    write_port(*s.valid, &valid);
}

// One clock period; the inputs are settled already, and are so again afterwards.
void edges(Handle* h) {
    Source& s = h->source;
    const bool is_taken = s.offering && is_nonzero(*s.ready);
    h->now = h->cycle * 10 + 5;
    h->context.time(h->now);
    h->model->HB_CLOCK = 1;
    h->model->eval();
    dump(h);
    ++h->cycle;
    if (!s.beats.empty()) {
        if (is_taken) {
            s.offering = false;
            s.next += s.data->words;
            if (s.next == s.beats.size()) s.next = 0;
        }
        offer(h);
    }
    h->now = h->cycle * 10;
    h->context.time(h->now);
    h->model->HB_CLOCK = 0;
    h->model->eval();
    dump(h);
}
#endif

std::string place(const char* file, int line) {
    if (!file || !file[0]) return std::string();
    return std::string(file) + ":" + std::to_string(line) + ": ";
}

}  // namespace

// Called by the runtime and the generated code instead of printing and aborting.
int heartbit_printf(const char* format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int length = std::vsnprintf(nullptr, 0, format, args);
    va_end(args);
    if (length > 0 && current && current->log.size() < HB_LOG_LIMIT) {
        std::string text(static_cast<size_t>(length) + 1, '\0');
        std::vsnprintf(&text[0], text.size(), format, again);
        text.resize(static_cast<size_t>(length));
        current->log += text;
    }
    va_end(again);
    return length;
}

void vl_finish(const char*, int, const char*) {
    Verilated::threadContextp()->gotFinish(true);
    if (current && current->status == HB_RUNNING) current->status = HB_FINISHED;
}

// $stop, $fatal and failed assertions: the evaluation goes on to its end, then the status is read.
void vl_stop(const char* file, int line, const char*) {
    Verilated::threadContextp()->gotError(true);
    Verilated::threadContextp()->gotFinish(true);
    if (current) fail(current, place(file, line) + "$stop, $fatal, or failed assertion");
}

// Errors of the runtime itself, such as a loop that does not settle: returning would run on for ever.
void vl_fatal(const char* file, int line, const char*, const char* message) {
    Verilated::threadContextp()->gotError(true);
    Verilated::threadContextp()->gotFinish(true);
    if (current) fail(current, place(file, line) + (message ? message : "fatal error"));
    throw FatalError{};
}

#pragma GCC visibility push(default)
extern "C" {

uint32_t hb_abi() { return HB_ABI; }

// `randomize` != 0 starts registers and memories without reset at values drawn from `seed`.
Handle* hb_new(uint32_t randomize, uint32_t seed) {
    Handle* h = new (std::nothrow) Handle;
    if (!h) return nullptr;
    guarded(h, [&] {
        h->context.threads(1);
        h->context.randReset(randomize ? 2 : 0);
        if (randomize) h->context.randSeed(static_cast<int>(seed));
#if HB_TRACE
        h->context.traceEverOn(true);
#endif
        h->model = new Vmodel{&h->context, "top"};
        uint32_t next = 0;
#define HB_PORT(name, size, count, is_input) \
    static_assert(sizeof(h->model->name) == (size ? size : (count) * 4), "width of " #name); \
    h->ports[next++] = PortSlot{&h->model->name, size, count}; \
    if (is_input) std::memset(&h->model->name, 0, sizeof(h->model->name));
        HB_PORTS
#undef HB_PORT
    });
    return h;
}

void hb_trace_stop(Handle* h) {
#if HB_TRACE
    Enter enter{h};
    if (!h->trace) return;
    h->trace->close();
    delete h->trace;
    h->trace = nullptr;
#else
    (void)h;
#endif
}

int hb_trace_start(Handle* h, const char* path) {
#if HB_TRACE
    hb_trace_stop(h);
    guarded(h, [&] {
        h->trace = new VerilatedFstC;
        h->model->trace(h->trace, 99);
        h->trace->open(path);
        if (h->trace->isOpen()) dump(h);
    });
    if (h->trace && h->trace->isOpen()) return 1;
    delete h->trace;
    h->trace = nullptr;
#else
    (void)h;
    (void)path;
#endif
    return 0;
}

void hb_free(Handle* h) {
    guarded(h, [&] { h->model->final(); });
    hb_trace_stop(h);
    {
        Enter enter{h};
        delete h->model;
    }
    Verilated::threadContextp(nullptr);
    delete h;
}

// Writes what was covered so far, if the model counts it.
void hb_coverage(Handle* h, const char* path) {
#ifdef HB_COVERAGE
    guarded(h, [&] { h->context.coveragep()->write(path); });
#else
    (void)h, (void)path;
#endif
}

void hb_poke(Handle* h, uint32_t port, const uint32_t* words) { write_port(h->ports[port], words); }

void hb_peek(const Handle* h, uint32_t port, uint32_t* words) { read_port(h->ports[port], words); }

void hb_eval(Handle* h) {
    guarded(h, [&] { settle(h); });
}

// Drives a valid/ready port from the present cycle on with `n_beats` beats, each as many words as
// the port has, in the cycles that are slots: `latency` cycles later those of the pattern. Without
// beats the source that there was ends and leaves its port without an offer.
void hb_source(Handle* h, uint32_t valid, uint32_t ready, uint32_t data, const uint32_t* beats,
               uint64_t n_beats, const uint8_t* pattern, uint64_t n_pattern, uint64_t latency) {
    Source& s = h->source;
    s = Source{};
    s.valid = &h->ports[valid];
    s.ready = &h->ports[ready];
    s.data = &h->ports[data];
    s.beats.assign(beats, beats + n_beats * s.data->words);
    s.pattern.assign(pattern, pattern + n_pattern);
    s.first = h->cycle + latency;
#if HB_HAS_CLOCK
    if (n_beats) {
        offer(h);
        return;
    }
#endif
    const uint32_t none = 0;
    write_port(*s.valid, &none);
}

// Runs up to `limit` cycles with constant inputs but for the source's, and records the watched ports
// after each cycle in which any strobe is non-zero; without strobes nothing is recorded. `stop` may
// be HB_NONE.
// Ends early on a non-zero stop port (1), a status other than running (2), or when the next record
// would not fit in `capacity` words (3); 0 means all cycles ran.
uint32_t hb_run(Handle* h, uint64_t limit, const uint32_t* strobes, uint32_t n_strobes,
                const uint32_t* watched, uint32_t n_watched, uint32_t stop, uint32_t* out,
                uint64_t capacity, uint64_t* written, uint64_t* cycles) {
    uint64_t used = 0;
    uint64_t done = 0;
    uint32_t why = 0;
#if HB_HAS_CLOCK
    uint64_t record = 2;
    for (uint32_t i = 0; i < n_watched; ++i) record += h->ports[watched[i]].words;
    guarded(h, [&] {
        if (limit) settle(h);
        while (done < limit) {
            if (n_strobes && capacity - used < record) {
                why = 3;
                break;
            }
            edges(h);
            ++done;
            bool is_due = false;
            for (uint32_t i = 0; i < n_strobes; ++i) is_due |= is_nonzero(h->ports[strobes[i]]);
            if (is_due) {
                out[used++] = static_cast<uint32_t>(h->cycle);
                out[used++] = static_cast<uint32_t>(h->cycle >> 32);
                for (uint32_t i = 0; i < n_watched; ++i) {
                    read_port(h->ports[watched[i]], out + used);
                    used += h->ports[watched[i]].words;
                }
            }
            if (h->status != HB_RUNNING) {
                why = 2;
                break;
            }
            if (stop != HB_NONE && is_nonzero(h->ports[stop])) {
                why = 1;
                break;
            }
        }
    });
    if (h->broken) why = 2;
#else
    (void)h, (void)limit, (void)strobes, (void)n_strobes, (void)watched, (void)n_watched;
    (void)stop, (void)out, (void)capacity;
#endif
    *written = used;
    *cycles = done;
    return why;
}

uint64_t hb_cycle(const Handle* h) { return h->cycle; }

uint32_t hb_status(const Handle* h) { return h->status; }

// Copies the fatal message (0) or what the design printed since it was last cleared (1), up to
// `capacity` bytes, and returns the full length.
uint64_t hb_text(const Handle* h, uint32_t which, char* out, uint64_t capacity) {
    const std::string& text = which ? h->log : h->message;
    const uint64_t n = text.size() < capacity ? text.size() : capacity;
    if (n) std::memcpy(out, text.data(), n);
    return text.size();
}

void hb_clear_log(Handle* h) { h->log.clear(); }

}  // extern "C"
#pragma GCC visibility pop
