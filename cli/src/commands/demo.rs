//! `demo`: the whole way on the bundled network and images.

use super::compile::{compile, write};
use super::cosim::from_build;
use super::sim::conclude;
use crate::args::{DemoArgs, Format, LimitArgs};
use crate::around::Around;
use crate::failure::{Code, Failure, Outcome};
use crate::inputs::{self, Images};
use crate::layers::CompiledView;
use crate::output::{self, percent};
use crate::report::Destination;
use crate::verdict::{self, Verdict};
use heartbit_cosim::{Toolchain, Trace};
use heartbit_ir::network::Network;
use serde_json::json;

const NETWORK: &[u8] = include_bytes!("../../../models/resnet20-cifar10.hbn");
const TEST_IMAGES: &[u8] = include_bytes!("../../../data/cifar10-mini/test_batch.bin.xz");

pub(crate) fn run(args: &DemoArgs, format: Format) -> Outcome {
    // Asked for first: without it there is no verdict, and nothing should have been written.
    let toolchain = Toolchain::detect()?;
    let network = Network::from_bytes(NETWORK)
        .map_err(|e| Failure::from_error(Code::Bug, e).context("the bundled network"))?;
    let data = args.out.join("data");
    std::fs::create_dir_all(&data).map_err(|error| {
        Failure::from_error(Code::BadInput, error)
            .context(format!("cannot create `{}`", data.display()))
            .help("give `--out` a directory in a place you may write to")
    })?;
    super::models::write_atomically(&data.join("test_batch.bin.xz"), TEST_IMAGES)?;
    let all = Images::load(&data, None)?;
    let say = |text: &str| if format == Format::Text { output::print(text) } else { Ok(()) };

    say("A binary ResNet-20, trained on CIFAR-10, from integers to Verilog.\n\n")?;
    let path = args.out.join("build");
    let compiled = compile(network, args.array, &LimitArgs::default(), None, None)?;
    write(&path, &compiled, &Around::Nothing, None)?;
    // From here on only what is on disk counts.
    let build = inputs::build(&path)?;
    let view = CompiledView::new(&build.network, &build.compiled);
    say(&view.text())?;

    say(&format!("\nsimulator, all {} bundled test images\n", all.len()))?;
    let simulated = verdict::simulate(&build, &all)?;
    say(&indented(&simulated))?;

    let some = Images::load(&data, Some(args.cosim_images as usize))?;
    say(&format!("\nVerilog under Verilator, {} images, every layer\n", some.len()))?;
    let mut rtl = from_build(&path, &build, &toolchain, Trace::None)?;
    let cosimulated = verdict::cosimulate(&build, &some, &mut rtl, true)?;
    let destination = Destination::in_build(&path);
    destination.write(&build, Some(&path), "sim", &simulated.json())?;
    destination.write(&build, Some(&path), "cosim", &cosimulated.json())?;
    say(&indented(&cosimulated))?;

    let passed = simulated.passed() && cosimulated.passed() && some.len() >= 3;
    let line = if passed {
        format!(
            "\nverdict: ok\n\
             accuracy {} on {} images; interpreter, simulator and RTL agree on every\n\
             tensor, and prediction, simulator and RTL on every layer's cycles\n",
            percent(simulated.accuracy()),
            all.len()
        )
    } else {
        "\nverdict: FAILED\n".to_owned()
    };
    let json = json!({
        "schema": 1,
        "network": view.json(),
        "sim": simulated.json(),
        "cosim": cosimulated.json(),
        "build": path,
        "verdict": if passed { "pass" } else { "fail" },
    });
    output::result(format, &json, || {
        format!(
            "{line}wrote {} (program.json, mem/, rtl/)\nwrote {}\n{}",
            path.display(),
            data.display(),
            destination.line()
        )
    })?;
    conclude(passed)
}

fn indented(verdict: &Verdict) -> String {
    let lines: Vec<String> = verdict.text().lines().map(|line| format!("  {line}")).collect();
    lines.join("\n") + "\n"
}
