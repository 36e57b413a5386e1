//! `random` and `fold`: write models.

use crate::args::{FoldArgs, Format, RandomArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs;
use crate::output;
use heartbit_compiler::random;
use heartbit_model::{Sizes, file};
use serde_json::json;
use std::path::Path;

pub(crate) fn random(args: &RandomArgs, format: Format) -> Outcome {
    let published = args.arch.published();
    let sizes = Sizes {
        image_side: args.image_side.unwrap_or(published.image_side),
        classes: args.classes.map_or(published.classes, usize::from),
        widths: if args.widths.is_empty() { published.widths } else { args.widths.clone() },
    };
    let checkpoint = random::checkpoint(args.arch, &sizes, args.seed)
        .map_err(|e| Failure::from_error(Code::Usage, e).help("leave the option out"))?;
    write_atomically(&args.out, &checkpoint.to_bytes())?;
    let json = json!({
        "schema": 1, "out": args.out, "arch": args.arch.name(), "seed": args.seed,
    });
    output::result(format, &json, || {
        format!("wrote {}: untrained {}, seed {}\n", args.out.display(), args.arch, args.seed)
    })
}

pub(crate) fn fold(args: &FoldArgs, format: Format) -> Outcome {
    let checkpoint = inputs::checkpoint(&args.checkpoint)?;
    let mut network = heartbit_compiler::fold::fold(&checkpoint)
        .map_err(|e| Failure::from(e).context(format!("in `{}`", args.checkpoint.display())))?;
    network.provenance.extend(args.note.iter().cloned());
    network.write(&args.out)?;
    let n = network.ops.len();
    let json = json!({ "schema": 1, "out": args.out, "arch": network.arch, "operations": n });
    output::result(format, &json, || format!("wrote {}: {n} operations\n", args.out.display()))
}

/// Writes a file that appears whole or not at all.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Outcome {
    file::write_atomically(path, bytes).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot write `{}`", path.display()))
            .help("check that the directory exists and that you may write to it")
    })
}
