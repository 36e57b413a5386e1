//! `boards`: what is known, and what it has.

use crate::args::{BoardsArgs, Format};
use crate::failure::{Code, Failure, Outcome};
use crate::output::{self, Table, grouped};
use heartbit_boards::board::{Board, boards};
use heartbit_boards::catalogue;
use serde_json::{Value, json};

pub(crate) fn run(args: &BoardsArgs, format: Format) -> Outcome {
    let boards = boards();
    if let Some(folder) = &args.catalogue {
        let records = catalogue::read(folder).map_err(|error| {
            Failure::from_error(Code::BadInput, error)
                .help("the folder holds files `result.json` of `heartbit pnr`, under any name")
        })?;
        let json = json!({ "schema": 1, "results": records });
        return output::result(format, &json, || catalogue::page(&boards, &records));
    }
    let all: Vec<Value> = boards.iter().map(entry).collect();
    output::result(format, &json!({ "schema": 1, "boards": all }), || text(&boards))
}

fn entry(board: &Board) -> Value {
    json!({
        "name": board.name, "title": board.title, "device": board.device, "family": board.family,
        "model": board.model.map(heartbit_compiler::resources::Family::name),
        "clock_mhz": board.clock_mhz, "capacity": board.capacity,
        "flow": board.flow.name(), "memories": board.memories, "documentation": board.documentation,
        "source": board.source,
    })
}

fn text(boards: &[Board]) -> String {
    let mut table = Table::new(&["board", "device", "LUT", "FF", "BRAM", "DSP", "MHz"]);
    for board in boards {
        let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), grouped);
        let c = &board.capacity;
        table.row(vec![
            board.name.clone(),
            board.device.clone(),
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
        "{}\nBRAM: blocks of 4 kbit on iCE40, 10 kbit on Cyclone V, else 18 kbit\n\
         LUT: logic cells on iCE40, ALM on Cyclone V\n\
         clocks are assumed where no array was placed\n\
         no resource model yet: {}\n",
        table.render(),
        unmodelled.join(", ")
    )
}
