//! `boards`: what is known, and what it has.

use crate::args::Format;
use crate::failure::Outcome;
use crate::output::{self, Table, grouped};
use heartbit_boards::board::{Board, boards};
use serde_json::{Value, json};

pub(crate) fn run(format: Format) -> Outcome {
    let boards = boards();
    let all: Vec<Value> = boards.iter().map(entry).collect();
    output::result(format, &json!({ "schema": 1, "boards": all }), || text(&boards))
}

fn entry(board: &Board) -> Value {
    json!({
        "name": board.name, "title": board.title, "device": board.device, "family": board.family,
        "model": board.model.map(heartbit_compiler::resources::Family::name),
        "clock_mhz": board.clock_mhz, "capacity": board.capacity,
        "source": { "capacity": board.capacity_source, "clock": board.clock_source },
    })
}

fn text(boards: &[Board]) -> String {
    let mut table = Table::new(&["board", "device", "family", "LUT", "FF", "BRAM", "DSP", "MHz"]);
    for board in boards {
        let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), grouped);
        let c = &board.capacity;
        table.row(vec![
            board.name.clone(),
            board.device.clone(),
            board.family.clone(),
            number(c.lut),
            number(c.ff),
            number(c.bram),
            c.dsp.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            board.clock_mhz.to_string(),
        ]);
    }
    let unmodelled: Vec<&str> =
        boards.iter().filter(|b| b.model.is_none()).map(|b| b.name.as_str()).collect();
    format!(
        "{}\nBRAM: blocks of 4 kbit on ice40, 10 kbit on cyclone5, else 18 kbit\n\
         LUT: logic cells on ice40, ALM on cyclone5\n\
         clocks are assumed until arrays are placed\n\
         no resource model yet: {}\n",
        table.render(),
        unmodelled.join(", ")
    )
}
