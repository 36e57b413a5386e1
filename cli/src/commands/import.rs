//! `import`: a foreign checkpoint into one of ours.

use crate::args::{Format, ImportArgs};
use crate::commands::models::write_atomically;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs;
use crate::output::{self, grouped, wrapped};
use heartbit_model::import::{self, Imported, Options};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Endings that are not part of a model's name.
const ENDINGS: [&str; 5] = [".tar", ".pth", ".pt", ".state", ".safetensors"];
/// Keys of a warning.
const SHOWN: usize = 8;

pub(crate) fn run(args: &ImportArgs, format: Format) -> Outcome {
    let help = "give a checkpoint that PyTorch wrote, or a .safetensors file of its tensors";
    let bytes = inputs::bytes(&args.file, help)?;
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let out = args.out.clone().unwrap_or_else(|| default_out(&name));
    if is_same(&args.file, &out) {
        let message = format!("`{}` is the file that is imported", out.display());
        return Err(Failure::new(Code::Usage, message).help("give `--out` another name"));
    }
    let options = Options {
        arch: args.arch,
        method: args.method,
        norm: args.norm,
        image_side: args.image_side,
    };
    let imported = import::import(&bytes, &name, &options).map_err(|e| {
        Failure::from(e).context(format!("cannot import `{}`", args.file.display()))
    })?;
    write_atomically(&out, &imported.checkpoint.to_bytes())?;
    warn(&imported);
    output::result(format, &report(&imported, &out), || text(&imported, &out))
}

/// The name without its endings, in the current directory.
fn default_out(name: &str) -> PathBuf {
    let mut stem = name;
    while let Some(rest) = ENDINGS.iter().find_map(|e| stem.strip_suffix(e)) {
        stem = rest;
    }
    PathBuf::from(format!("{stem}.safetensors"))
}

/// Whether two paths are one file.
fn is_same(input: &Path, out: &Path) -> bool {
    let same = |a: &Path, b: &Path| Some(a.canonicalize().ok()? == b.canonicalize().ok()?);
    same(input, out).unwrap_or(false)
}

/// Says on standard error what a reader of the result might miss.
fn warn(imported: &Imported) {
    let mut warnings = Vec::new();
    if !imported.unused.is_empty() {
        let n = imported.unused.len();
        let shown = imported.unused[..n.min(SHOWN)].join(", ");
        let more = if n > SHOWN { format!(" and {} more", n - SHOWN) } else { String::new() };
        warnings.push(format!("warning: nothing uses {n} keys of the file: {shown}{more}\n"));
    }
    if imported.zeros > 0 {
        warnings.push(format!(
            "warning: {} binary weights are exactly what they are compared with; their sign is +1 \
             here, and 0 in PyTorch\n",
            grouped(imported.zeros as u64)
        ));
    }
    // Where standard error is closed, nobody reads warnings.
    drop(std::io::stderr().lock().write_all(warnings.concat().as_bytes()));
}

fn report(imported: &Imported, out: &Path) -> Value {
    let checkpoint = &imported.checkpoint;
    json!({
        "schema": 1,
        "arch": checkpoint.arch.name(),
        "method": checkpoint.method.name(),
        "norm": checkpoint.norm.name(),
        "classes": checkpoint.sizes.classes,
        "widths": checkpoint.sizes.widths,
        "image_side": checkpoint.sizes.image_side,
        "parameters": imported.parameters,
        "container": imported.container.name(),
        "layout": imported.layout.name(),
        "scales_moved": imported.scales_moved,
        "not_needed": imported.not_needed.len(),
        "unused": imported.unused,
        "zeros": imported.zeros,
        "provenance": checkpoint.provenance,
        "out": out.to_string_lossy(),
    })
}

fn text(imported: &Imported, out: &Path) -> String {
    let checkpoint = &imported.checkpoint;
    let side = checkpoint.sizes.image_side;
    let scales = if imported.scales_moved { ", scales moved into the normalisations" } else { "" };
    let written = format!(
        "wrote {}: {}, method {}, pixel statistics {}, {} classes, {side}x{side} pixels; from {} with \
         the keys of {}: {} parameters, {} keys not needed, {} unused{scales}",
        out.display(),
        checkpoint.arch,
        checkpoint.method.name(),
        checkpoint.norm.name(),
        checkpoint.sizes.classes,
        imported.container,
        imported.layout.name(),
        grouped(imported.parameters as u64),
        imported.not_needed.len(),
        imported.unused.len(),
    );
    wrapped(&written) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_name_has_no_ending_of_the_file() {
        for name in ["best.pth.tar", "best.pth", "best.state", "best.safetensors", "best"] {
            assert_eq!(default_out(name), Path::new("best.safetensors"), "{name}");
        }
        assert_eq!(default_out("a.b.pt"), Path::new("a.b.safetensors"));
    }
}
