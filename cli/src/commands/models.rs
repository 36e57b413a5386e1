//! `random` and `fold`: write models.

use crate::args::{FoldArgs, RandomArgs};
use crate::failure::{Code, Failure, Outcome};
use crate::inputs;
use crate::output::print;
use heartbit_compiler::random;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub(crate) fn random(args: &RandomArgs) -> Outcome {
    let checkpoint = random::checkpoint(&args.arch, args.classes.into(), args.seed)
        .map_err(|e| Failure::from_error(Code::Usage, e).help("give one of these to `--arch`"))?;
    write_atomically(&args.out, &checkpoint.to_bytes())?;
    print(&format!("wrote {}: untrained {}, seed {}\n", args.out.display(), args.arch, args.seed))
}

pub(crate) fn fold(args: &FoldArgs) -> Outcome {
    let checkpoint = inputs::checkpoint(&args.checkpoint)?;
    let mut network = heartbit_compiler::fold::fold(&checkpoint)
        .map_err(|e| Failure::from(e).context(format!("in `{}`", args.checkpoint.display())))?;
    network.provenance.extend(args.note.iter().cloned());
    network
        .write(&args.out)
        .map_err(|e| Failure::from(e).context(format!("cannot write `{}`", args.out.display())))?;
    print(&format!("wrote {}: {} operations\n", args.out.display(), network.ops.len()))
}

/// Writes a file to a temporary name beside it, then renames it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Outcome {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        // As any new file, before the process's mask; a temporary file is its owner's only.
        let permissions = std::fs::Permissions::from_mode(0o666);
        let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot write `{}`", path.display()))
            .help("check that the directory exists and that you may write to it")
    })
}
