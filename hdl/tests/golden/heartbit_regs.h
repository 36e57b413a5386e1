/* Registers of heartbit_axi: byte offsets, and masks and shifts of their fields. */
/* Printed by heartbit; do not edit. */
#ifndef HEARTBIT_REGS_H
#define HEARTBIT_REGS_H

/* `HBIT` in ASCII, low byte first. (constant) */
#define HEARTBIT_ID 0x000u
#define HEARTBIT_ID_VALUE 0x54494248u

/* Version of this register map; the same major version stays compatible. (constant) */
#define HEARTBIT_VERSION 0x004u
#define HEARTBIT_VERSION_VALUE 0x00010002u
#define HEARTBIT_VERSION_MINOR 0x0000ffffu /* minor version */
#define HEARTBIT_VERSION_MINOR_SHIFT 0u
#define HEARTBIT_VERSION_MAJOR 0xffff0000u /* major version */
#define HEARTBIT_VERSION_MAJOR_SHIFT 16u

/* The array; a memory image carries the same word. (constant) */
#define HEARTBIT_CONFIG0 0x008u
#define HEARTBIT_CONFIG0_ROWS 0x0000ffffu /* rows */
#define HEARTBIT_CONFIG0_ROWS_SHIFT 0u
#define HEARTBIT_CONFIG0_COLS 0xffff0000u /* columns */
#define HEARTBIT_CONFIG0_COLS_SHIFT 16u

/* The array; a memory image carries the same word. (constant) */
#define HEARTBIT_CONFIG1 0x00cu
#define HEARTBIT_CONFIG1_LANES 0x0000ffffu /* lanes of a processing element */
#define HEARTBIT_CONFIG1_LANES_SHIFT 0u
#define HEARTBIT_CONFIG1_TAPS 0x00070000u /* lane groups */
#define HEARTBIT_CONFIG1_TAPS_SHIFT 16u
#define HEARTBIT_CONFIG1_LINES 0x00380000u /* most lines of a tile */
#define HEARTBIT_CONFIG1_LINES_SHIFT 19u
#define HEARTBIT_CONFIG1_EXTENDED 0x00400000u /* whether it runs every kind of network */
#define HEARTBIT_CONFIG1_ACC_BITS 0x3f000000u /* bits of an accumulator */
#define HEARTBIT_CONFIG1_ACC_BITS_SHIFT 24u

/* The ports. (constant) */
#define HEARTBIT_CONFIG2 0x010u
#define HEARTBIT_CONFIG2_DATA_BITS 0x000000ffu /* data bits of the AXI4 port, 0 without one */
#define HEARTBIT_CONFIG2_DATA_BITS_SHIFT 0u
#define HEARTBIT_CONFIG2_ADDRESS_BITS 0x0000ff00u /* address bits of the AXI4 port, 0 without one */
#define HEARTBIT_CONFIG2_ADDRESS_BITS_SHIFT 8u
#define HEARTBIT_CONFIG2_LOAD_BITS 0xffff0000u /* bits of the widest word that is loaded */
#define HEARTBIT_CONFIG2_LOAD_BITS_SHIFT 16u

/* Sizes of the weight ring; only with a weight ring. (constant) */
#define HEARTBIT_CONFIG3 0x014u
#define HEARTBIT_CONFIG3_WORDS_LOG2 0x0000001fu /* words of a column, the power of two */
#define HEARTBIT_CONFIG3_WORDS_LOG2_SHIFT 0u
#define HEARTBIT_CONFIG3_PORT_COLS 0xffff0000u /* columns of a beat of weights */
#define HEARTBIT_CONFIG3_PORT_COLS_SHIFT 16u

/* Words of the program memory. (constant) */
#define HEARTBIT_DEPTH_PROGRAM 0x020u

/* Words of a step memory. (constant) */
#define HEARTBIT_DEPTH_STEP 0x024u

/* Words of a weight column. (constant) */
#define HEARTBIT_DEPTH_WEIGHT 0x028u

/* Words of a parameter column. (constant) */
#define HEARTBIT_DEPTH_PARAMETER 0x02cu

/* Words of an image bank. (constant) */
#define HEARTBIT_DEPTH_IMAGE 0x030u

/* Words of an activation bank. (constant) */
#define HEARTBIT_DEPTH_ACTIVATION 0x034u

/* Words of a stream bank. (constant) */
#define HEARTBIT_DEPTH_STREAM 0x038u

/* Words of a logit column. (constant) */
#define HEARTBIT_DEPTH_LOGIT 0x03cu

/* Commands. (write) */
#define HEARTBIT_CONTROL 0x040u
#define HEARTBIT_CONTROL_START_LOAD 0x00000001u /* reads the memory image at `LOAD_BASE`; refused unless idle */
#define HEARTBIT_CONTROL_COMMIT 0x00000002u /* what was written to `LOAD_DATA` is a whole program; refused unless idle */
#define HEARTBIT_CONTROL_ABORT 0x00000004u /* ends a load and the image; the program stays unless it was being loaded */
#define HEARTBIT_CONTROL_RESYNC 0x00000008u /* the source of pixels has been reset: its next beat begins an image */

/* What is going on. (read) */
#define HEARTBIT_STATUS 0x044u
#define HEARTBIT_STATUS_IDLE 0x00000001u /* nothing is; a program may be loaded */
#define HEARTBIT_STATUS_LOADED 0x00000002u /* there is a program; pixels are accepted */
#define HEARTBIT_STATUS_LOADING 0x00000004u /* a memory image is being read */
#define HEARTBIT_STATUS_RECEIVING 0x00000008u /* an image has begun to arrive and is not complete */
#define HEARTBIT_STATUS_WAITING 0x00000010u /* a complete image waits for the array */
#define HEARTBIT_STATUS_BUSY 0x00000020u /* the array works on an image or sends its result */
#define HEARTBIT_STATUS_RESULT 0x00000040u /* a beat of a result waits to be taken */
#define HEARTBIT_STATUS_DISCARDING 0x00000080u /* beats are taken and dropped up to the next `TLAST` */
#define HEARTBIT_STATUS_ERROR 0x00000100u /* a bit of `ERROR` is set */

/* What went wrong. (write 1 to clear) */
#define HEARTBIT_ERROR 0x048u
#define HEARTBIT_ERROR_ILLEGAL_PROGRAM 0x00000001u /* header or descriptors of the loaded program cannot run; it is not used */
#define HEARTBIT_ERROR_ILLEGAL_DESCRIPTOR 0x00000002u /* the sequencer met a descriptor that it cannot run; the image was aborted */
#define HEARTBIT_ERROR_LOAD_FORMAT 0x00000004u /* no memory image for this array at `LOAD_BASE`, or of another length */
#define HEARTBIT_ERROR_LOAD_RANGE 0x00000008u /* a word for a memory, column or address that does not exist; it was not written */
#define HEARTBIT_ERROR_LOAD_REFUSED 0x00000010u /* a load was asked for while an image or a load was in the way */
#define HEARTBIT_ERROR_MEMORY_RESPONSE 0x00000020u /* `RRESP` was not `OKAY`, or `RLAST` came at another beat than the last */
#define HEARTBIT_ERROR_INPUT_SHORT 0x00000040u /* `TLAST` came before the last pixel; the image was dropped */
#define HEARTBIT_ERROR_INPUT_LONG 0x00000080u /* no `TLAST` at the last pixel (overrun); the image was dropped */
#define HEARTBIT_ERROR_NO_PROGRAM 0x00000100u /* a pixel was offered, but there is no program */
#define HEARTBIT_ERROR_OUTPUT_UNDERRUN 0x00000200u /* `CLASS` was read, but no image has ended since it was read before */
#define HEARTBIT_ERROR_WATCHDOG 0x00000400u /* an image took more than `WATCHDOG` cycles and was aborted */
#define HEARTBIT_ERROR_INPUT_STALL 0x00000800u /* no pixel within an image for `TIMEOUT` cycles */
#define HEARTBIT_ERROR_OUTPUT_STALL 0x00001000u /* no beat of a result was taken for `TIMEOUT` cycles */
#define HEARTBIT_ERROR_MEMORY_STALL 0x00002000u /* no beat of a memory image for `TIMEOUT` cycles, or none of the weights that a step waits for */
#define HEARTBIT_ERROR_WEIGHTS_SHORT 0x00004000u /* the program streams more weights than `WEIGHT_LENGTH` bytes hold; it is not used */

/* What has happened; only behind AXI. (write 1 to clear) */
#define HEARTBIT_EVENTS 0x04cu
#define HEARTBIT_EVENTS_IMAGE 0x00000001u /* the class of an image was sent */
#define HEARTBIT_EVENTS_LOAD 0x00000002u /* a load has ended, well or not */
#define HEARTBIT_EVENTS_RESET 0x00000004u /* the array was reset: abort, watchdog, or a dropped image */
#define HEARTBIT_EVENTS_ERROR 0x00000008u /* a bit of `ERROR` was set */

/* `irq` is 1 while an event with its bit here is set; only behind AXI. (read/write) */
#define HEARTBIT_IRQ_ENABLE 0x050u
#define HEARTBIT_IRQ_ENABLE_IMAGE 0x00000001u /* as in `EVENTS` */
#define HEARTBIT_IRQ_ENABLE_LOAD 0x00000002u /* as in `EVENTS` */
#define HEARTBIT_IRQ_ENABLE_RESET 0x00000004u /* as in `EVENTS` */
#define HEARTBIT_IRQ_ENABLE_ERROR 0x00000008u /* as in `EVENTS` */

/* Most cycles of an image, as `CYCLES` counts them; 0 for no limit; only behind AXI. (read/write) */
#define HEARTBIT_WATCHDOG 0x054u

/* Cycles that a port may wait for the host; 0 for no limit; only behind AXI. (read/write) */
#define HEARTBIT_TIMEOUT 0x058u

/* Address of the memory image; the low three bits do not count; only behind AXI. (read/write) */
#define HEARTBIT_LOAD_BASE_LOW 0x060u

/* Upper bits of the address; those that the port does not have do not count; only behind AXI. (read/write) */
#define HEARTBIT_LOAD_BASE_HIGH 0x064u

/* Bytes of the memory image; only behind AXI. (read/write) */
#define HEARTBIT_LOAD_LENGTH 0x068u

/* Where the next words of `LOAD_DATA` go; what was loaded before is no program any more; refused unless idle. (write) */
#define HEARTBIT_LOAD_SELECT 0x06cu
#define HEARTBIT_LOAD_SELECT_TARGET 0x00000007u /* 0 program, 1 steps, 2 weights, 3 parameters */
#define HEARTBIT_LOAD_SELECT_TARGET_SHIFT 0u
#define HEARTBIT_LOAD_SELECT_INDEX 0x0000ff00u /* lane group of steps, column of weights and parameters */
#define HEARTBIT_LOAD_SELECT_INDEX_SHIFT 8u
#define HEARTBIT_LOAD_SELECT_ADDRESS 0xffff0000u /* first word */
#define HEARTBIT_LOAD_SELECT_ADDRESS_SHIFT 16u

/* The words, one after the other, each in as many pairs of writes as it has units of 64 bits, low half first (behind a serial line in as many writes as it has units of 32 bits, lowest first); refused unless idle. (write) */
#define HEARTBIT_LOAD_DATA 0x070u

/* Cycles of the last image that ended, without `STALLS`: exactly those that `heartbit inspect` predicts. (read) */
#define HEARTBIT_CYCLES 0x080u

/* Further cycles of it, in which its result waited to be taken; only behind AXI. (read) */
#define HEARTBIT_STALLS 0x084u

/* Images that ended, modulo 2^32; only behind AXI. (read) */
#define HEARTBIT_IMAGES 0x088u

/* Images that were too short or too long, modulo 2^32; only behind AXI. (read) */
#define HEARTBIT_DROPPED 0x08cu

/* Cycles of the last load from memory; only behind AXI. (read) */
#define HEARTBIT_LOAD_CYCLES 0x090u

/* The class of the last image that ended; only behind AXI. (read takes) */
#define HEARTBIT_CLASS 0x094u
#define HEARTBIT_CLASS_CLASS 0x0000ffffu /* the class */
#define HEARTBIT_CLASS_CLASS_SHIFT 0u
#define HEARTBIT_CLASS_FRESH 0x80000000u /* it was not read before; otherwise the read is an underrun */

/* Those of `CYCLES` in which a step waited for its weights; only with a weight ring. (read) */
#define HEARTBIT_WEIGHT_STALLS 0x098u

/* Address of the streamed weights of the program that is loaded next; the low three bits do not count; only with a weight ring. (read/write) */
#define HEARTBIT_WEIGHT_BASE_LOW 0x0a0u

/* Upper bits of the address; those that the port does not have do not count; only with a weight ring. (read/write) */
#define HEARTBIT_WEIGHT_BASE_HIGH 0x0a4u

/* Bytes of the streamed weights of the program that is loaded next; 0 if it streams none; only with a weight ring. (read/write) */
#define HEARTBIT_WEIGHT_LENGTH 0x0a8u

/* CRC-32 of what was written to `LOAD_SELECT` and `LOAD_DATA` since the first such write after a `COMMIT` or a new session; only behind a serial line. (read) */
#define HEARTBIT_LOAD_CRC 0x0acu

/* First word of a memory image. */
#define HEARTBIT_MEMORY_IMAGE_MAGIC 0x314d4248u
/* Last beat of a result that an abort has cut off. */
#define HEARTBIT_RESULT_CUT 0xffffffffu

#endif
