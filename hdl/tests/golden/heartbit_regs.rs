//! Registers of `heartbit_axi`: byte offsets, and masks and shifts of their fields.
//!
//! Printed by heartbit; do not edit.

/// `HBIT` in ASCII, low byte first. (constant)
pub const ID: u32 = 0x000;

/// Its value.
pub const ID_VALUE: u32 = 0x5449_4248;

/// Version of this register map; the same major version stays compatible. (constant)
pub const VERSION: u32 = 0x004;

/// Its value.
pub const VERSION_VALUE: u32 = 0x0001_0002;

/// `MINOR`: minor version.
pub const VERSION_MINOR: u32 = 0x0000_ffff;

/// Its lowest bit.
pub const VERSION_MINOR_SHIFT: u32 = 0x00;

/// `MAJOR`: major version.
pub const VERSION_MAJOR: u32 = 0xffff_0000;

/// Its lowest bit.
pub const VERSION_MAJOR_SHIFT: u32 = 0x10;

/// The array; a memory image carries the same word. (constant)
pub const CONFIG0: u32 = 0x008;

/// `ROWS`: rows.
pub const CONFIG0_ROWS: u32 = 0x0000_ffff;

/// Its lowest bit.
pub const CONFIG0_ROWS_SHIFT: u32 = 0x00;

/// `COLS`: columns.
pub const CONFIG0_COLS: u32 = 0xffff_0000;

/// Its lowest bit.
pub const CONFIG0_COLS_SHIFT: u32 = 0x10;

/// The array; a memory image carries the same word. (constant)
pub const CONFIG1: u32 = 0x00c;

/// `LANES`: lanes of a processing element.
pub const CONFIG1_LANES: u32 = 0x0000_ffff;

/// Its lowest bit.
pub const CONFIG1_LANES_SHIFT: u32 = 0x00;

/// `TAPS`: lane groups.
pub const CONFIG1_TAPS: u32 = 0x0007_0000;

/// Its lowest bit.
pub const CONFIG1_TAPS_SHIFT: u32 = 0x10;

/// `LINES`: most lines of a tile.
pub const CONFIG1_LINES: u32 = 0x0038_0000;

/// Its lowest bit.
pub const CONFIG1_LINES_SHIFT: u32 = 0x13;

/// `EXTENDED`: whether it runs every kind of network.
pub const CONFIG1_EXTENDED: u32 = 0x0040_0000;

/// `ACC_BITS`: bits of an accumulator.
pub const CONFIG1_ACC_BITS: u32 = 0x3f00_0000;

/// Its lowest bit.
pub const CONFIG1_ACC_BITS_SHIFT: u32 = 0x18;

/// The ports. (constant)
pub const CONFIG2: u32 = 0x010;

/// `DATA_BITS`: data bits of the AXI4 port, 0 without one.
pub const CONFIG2_DATA_BITS: u32 = 0x0000_00ff;

/// Its lowest bit.
pub const CONFIG2_DATA_BITS_SHIFT: u32 = 0x00;

/// `ADDRESS_BITS`: address bits of the AXI4 port, 0 without one.
pub const CONFIG2_ADDRESS_BITS: u32 = 0x0000_ff00;

/// Its lowest bit.
pub const CONFIG2_ADDRESS_BITS_SHIFT: u32 = 0x08;

/// `LOAD_BITS`: bits of the widest word that is loaded.
pub const CONFIG2_LOAD_BITS: u32 = 0xffff_0000;

/// Its lowest bit.
pub const CONFIG2_LOAD_BITS_SHIFT: u32 = 0x10;

/// Sizes of the weight ring; only with a weight ring. (constant)
pub const CONFIG3: u32 = 0x014;

/// `WORDS_LOG2`: words of a column, the power of two.
pub const CONFIG3_WORDS_LOG2: u32 = 0x0000_001f;

/// Its lowest bit.
pub const CONFIG3_WORDS_LOG2_SHIFT: u32 = 0x00;

/// `PORT_COLS`: columns of a beat of weights.
pub const CONFIG3_PORT_COLS: u32 = 0xffff_0000;

/// Its lowest bit.
pub const CONFIG3_PORT_COLS_SHIFT: u32 = 0x10;

/// Words of the program memory. (constant)
pub const DEPTH_PROGRAM: u32 = 0x020;

/// Words of a step memory. (constant)
pub const DEPTH_STEP: u32 = 0x024;

/// Words of a weight column. (constant)
pub const DEPTH_WEIGHT: u32 = 0x028;

/// Words of a parameter column. (constant)
pub const DEPTH_PARAMETER: u32 = 0x02c;

/// Words of an image bank. (constant)
pub const DEPTH_IMAGE: u32 = 0x030;

/// Words of an activation bank. (constant)
pub const DEPTH_ACTIVATION: u32 = 0x034;

/// Words of a stream bank. (constant)
pub const DEPTH_STREAM: u32 = 0x038;

/// Words of a logit column. (constant)
pub const DEPTH_LOGIT: u32 = 0x03c;

/// Commands. (write)
pub const CONTROL: u32 = 0x040;

/// `START_LOAD`: reads the memory image at `LOAD_BASE`; refused unless idle.
pub const CONTROL_START_LOAD: u32 = 0x0000_0001;

/// `COMMIT`: what was written to `LOAD_DATA` is a whole program; refused unless idle.
pub const CONTROL_COMMIT: u32 = 0x0000_0002;

/// `ABORT`: ends a load and the image; the program stays unless it was being loaded.
pub const CONTROL_ABORT: u32 = 0x0000_0004;

/// `RESYNC`: the source of pixels has been reset: its next beat begins an image.
pub const CONTROL_RESYNC: u32 = 0x0000_0008;

/// What is going on. (read)
pub const STATUS: u32 = 0x044;

/// `IDLE`: nothing is; a program may be loaded.
pub const STATUS_IDLE: u32 = 0x0000_0001;

/// `LOADED`: there is a program; pixels are accepted.
pub const STATUS_LOADED: u32 = 0x0000_0002;

/// `LOADING`: a memory image is being read.
pub const STATUS_LOADING: u32 = 0x0000_0004;

/// `RECEIVING`: an image has begun to arrive and is not complete.
pub const STATUS_RECEIVING: u32 = 0x0000_0008;

/// `WAITING`: a complete image waits for the array.
pub const STATUS_WAITING: u32 = 0x0000_0010;

/// `BUSY`: the array works on an image or sends its result.
pub const STATUS_BUSY: u32 = 0x0000_0020;

/// `RESULT`: a beat of a result waits to be taken.
pub const STATUS_RESULT: u32 = 0x0000_0040;

/// `DISCARDING`: beats are taken and dropped up to the next `TLAST`.
pub const STATUS_DISCARDING: u32 = 0x0000_0080;

/// `ERROR`: a bit of `ERROR` is set.
pub const STATUS_ERROR: u32 = 0x0000_0100;

/// What went wrong. (write 1 to clear)
pub const ERROR: u32 = 0x048;

/// `ILLEGAL_PROGRAM`: header or descriptors of the loaded program cannot run; it is not used.
pub const ERROR_ILLEGAL_PROGRAM: u32 = 0x0000_0001;

/// `ILLEGAL_DESCRIPTOR`: the sequencer met a descriptor that it cannot run; the image was aborted.
pub const ERROR_ILLEGAL_DESCRIPTOR: u32 = 0x0000_0002;

/// `LOAD_FORMAT`: no memory image for this array at `LOAD_BASE`, or of another length.
pub const ERROR_LOAD_FORMAT: u32 = 0x0000_0004;

/// `LOAD_RANGE`: a word for a memory, column or address that does not exist; it was not written.
pub const ERROR_LOAD_RANGE: u32 = 0x0000_0008;

/// `LOAD_REFUSED`: a load was asked for while an image or a load was in the way.
pub const ERROR_LOAD_REFUSED: u32 = 0x0000_0010;

/// `MEMORY_RESPONSE`: `RRESP` was not `OKAY`, or `RLAST` came at another beat than the last.
pub const ERROR_MEMORY_RESPONSE: u32 = 0x0000_0020;

/// `INPUT_SHORT`: `TLAST` came before the last pixel; the image was dropped.
pub const ERROR_INPUT_SHORT: u32 = 0x0000_0040;

/// `INPUT_LONG`: no `TLAST` at the last pixel (overrun); the image was dropped.
pub const ERROR_INPUT_LONG: u32 = 0x0000_0080;

/// `NO_PROGRAM`: a pixel was offered, but there is no program.
pub const ERROR_NO_PROGRAM: u32 = 0x0000_0100;

/// `OUTPUT_UNDERRUN`: `CLASS` was read, but no image has ended since it was read before.
pub const ERROR_OUTPUT_UNDERRUN: u32 = 0x0000_0200;

/// `WATCHDOG`: an image took more than `WATCHDOG` cycles and was aborted.
pub const ERROR_WATCHDOG: u32 = 0x0000_0400;

/// `INPUT_STALL`: no pixel within an image for `TIMEOUT` cycles.
pub const ERROR_INPUT_STALL: u32 = 0x0000_0800;

/// `OUTPUT_STALL`: no beat of a result was taken for `TIMEOUT` cycles.
pub const ERROR_OUTPUT_STALL: u32 = 0x0000_1000;

/// `MEMORY_STALL`: no beat of a memory image for `TIMEOUT` cycles, or none of the weights that a step waits for.
pub const ERROR_MEMORY_STALL: u32 = 0x0000_2000;

/// `WEIGHTS_SHORT`: the program streams more weights than `WEIGHT_LENGTH` bytes hold; it is not used.
pub const ERROR_WEIGHTS_SHORT: u32 = 0x0000_4000;

/// What has happened; only behind AXI. (write 1 to clear)
pub const EVENTS: u32 = 0x04c;

/// `IMAGE`: the class of an image was sent.
pub const EVENTS_IMAGE: u32 = 0x0000_0001;

/// `LOAD`: a load has ended, well or not.
pub const EVENTS_LOAD: u32 = 0x0000_0002;

/// `RESET`: the array was reset: abort, watchdog, or a dropped image.
pub const EVENTS_RESET: u32 = 0x0000_0004;

/// `ERROR`: a bit of `ERROR` was set.
pub const EVENTS_ERROR: u32 = 0x0000_0008;

/// `irq` is 1 while an event with its bit here is set; only behind AXI. (read/write)
pub const IRQ_ENABLE: u32 = 0x050;

/// `IMAGE`: as in `EVENTS`.
pub const IRQ_ENABLE_IMAGE: u32 = 0x0000_0001;

/// `LOAD`: as in `EVENTS`.
pub const IRQ_ENABLE_LOAD: u32 = 0x0000_0002;

/// `RESET`: as in `EVENTS`.
pub const IRQ_ENABLE_RESET: u32 = 0x0000_0004;

/// `ERROR`: as in `EVENTS`.
pub const IRQ_ENABLE_ERROR: u32 = 0x0000_0008;

/// Most cycles of an image, as `CYCLES` counts them; 0 for no limit; only behind AXI. (read/write)
pub const WATCHDOG: u32 = 0x054;

/// Cycles that a port may wait for the host; 0 for no limit; only behind AXI. (read/write)
pub const TIMEOUT: u32 = 0x058;

/// Address of the memory image; the low three bits do not count; only behind AXI. (read/write)
pub const LOAD_BASE_LOW: u32 = 0x060;

/// Upper bits of the address; those that the port does not have do not count; only behind AXI. (read/write)
pub const LOAD_BASE_HIGH: u32 = 0x064;

/// Bytes of the memory image; only behind AXI. (read/write)
pub const LOAD_LENGTH: u32 = 0x068;

/// Where the next words of `LOAD_DATA` go; what was loaded before is no program any more; refused unless idle. (write)
pub const LOAD_SELECT: u32 = 0x06c;

/// `TARGET`: 0 program, 1 steps, 2 weights, 3 parameters.
pub const LOAD_SELECT_TARGET: u32 = 0x0000_0007;

/// Its lowest bit.
pub const LOAD_SELECT_TARGET_SHIFT: u32 = 0x00;

/// `INDEX`: lane group of steps, column of weights and parameters.
pub const LOAD_SELECT_INDEX: u32 = 0x0000_ff00;

/// Its lowest bit.
pub const LOAD_SELECT_INDEX_SHIFT: u32 = 0x08;

/// `ADDRESS`: first word.
pub const LOAD_SELECT_ADDRESS: u32 = 0xffff_0000;

/// Its lowest bit.
pub const LOAD_SELECT_ADDRESS_SHIFT: u32 = 0x10;

/// The words, one after the other, each in as many pairs of writes as it has units of 64 bits, low half first (behind a serial line in as many writes as it has units of 32 bits, lowest first); refused unless idle. (write)
pub const LOAD_DATA: u32 = 0x070;

/// Cycles of the last image that ended, without `STALLS`: exactly those that `heartbit inspect` predicts. (read)
pub const CYCLES: u32 = 0x080;

/// Further cycles of it, in which its result waited to be taken; only behind AXI. (read)
pub const STALLS: u32 = 0x084;

/// Images that ended, modulo 2^32; only behind AXI. (read)
pub const IMAGES: u32 = 0x088;

/// Images that were too short or too long, modulo 2^32; only behind AXI. (read)
pub const DROPPED: u32 = 0x08c;

/// Cycles of the last load from memory; only behind AXI. (read)
pub const LOAD_CYCLES: u32 = 0x090;

/// The class of the last image that ended; only behind AXI. (read takes)
pub const CLASS: u32 = 0x094;

/// `CLASS`: the class.
pub const CLASS_CLASS: u32 = 0x0000_ffff;

/// Its lowest bit.
pub const CLASS_CLASS_SHIFT: u32 = 0x00;

/// `FRESH`: it was not read before; otherwise the read is an underrun.
pub const CLASS_FRESH: u32 = 0x8000_0000;

/// Those of `CYCLES` in which a step waited for its weights; only with a weight ring. (read)
pub const WEIGHT_STALLS: u32 = 0x098;

/// Address of the streamed weights of the program that is loaded next; the low three bits do not count; only with a weight ring. (read/write)
pub const WEIGHT_BASE_LOW: u32 = 0x0a0;

/// Upper bits of the address; those that the port does not have do not count; only with a weight ring. (read/write)
pub const WEIGHT_BASE_HIGH: u32 = 0x0a4;

/// Bytes of the streamed weights of the program that is loaded next; 0 if it streams none; only with a weight ring. (read/write)
pub const WEIGHT_LENGTH: u32 = 0x0a8;

/// CRC-32 of what was written to `LOAD_SELECT` and `LOAD_DATA` since the first such write after a `COMMIT` or a new session; only behind a serial line. (read)
pub const LOAD_CRC: u32 = 0x0ac;

/// First word of a memory image.
pub const MEMORY_IMAGE_MAGIC: u32 = 0x314d_4248;

/// Last beat of a result that an abort has cut off.
pub const RESULT_CUT: u32 = 0xffff_ffff;
