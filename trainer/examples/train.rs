//! Starts a training run from a JSON file of settings: `train config.json`.

use std::io::Write;

use heartbit_trainer::{Progress, TrainConfig, train};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: train CONFIG.json")?;
    let config: TrainConfig = serde_json::from_slice(&std::fs::read(path)?)?;
    let mut out = std::io::stdout();
    let summary = train(&config, &mut |progress| {
        let line = match progress {
            Progress::Batch {
                epoch,
                batch,
                batches,
                loss,
                images_per_second,
                seconds_left,
                ..
            } if batch % 10 == 0 || batch == batches => {
                format!(
                    "epoch {epoch} batch {batch}/{batches} loss {loss:.4} \
                     {images_per_second:.0} img/s {seconds_left:.0} s left"
                )
            }
            Progress::Batch { .. } => return,
            Progress::Epoch(record) => format!("{record:?}"),
        };
        let _ = writeln!(out, "{line}");
    })?;
    println!("{}", summary.checkpoint.display());
    Ok(())
}
