//! A case that fails: made smaller, stored, and its first difference located.

use super::Fuzzer;
use crate::args::TRACE_MARGIN;
use crate::commands::models::write_atomically;
use crate::divergence::{self, Tracer};
use crate::failure::{Code, Failure, Outcome};
use crate::fuzz::Found;
use crate::output;
use crate::verdict::Divergence;
use heartbit_cases::campaign;
use heartbit_cases::case::Built;
use heartbit_cases::check::{Finding, Kind};
use heartbit_cases::engine::{EngineKind, Tools};
use heartbit_cases::file::CaseFile;
use heartbit_cases::ladder::Mismatch;
use heartbit_cases::minimise::{Limits, Minimised, minimise};
use heartbit_compiler::build::Build;
use heartbit_cosim::accelerator_design;

impl Fuzzer<'_> {
    /// Makes the case smaller, stores it and locates its first difference.
    pub(super) fn found(&self, failure: &campaign::Failure) -> Outcome<Found> {
        let campaign::Failure { number, case, finding } = failure;
        let kinds: Vec<EngineKind> =
            self.kinds.iter().copied().filter(|kind| self.is(*kind, &finding.engine)).collect();
        let mut engines = self.engines(&kinds);
        let bar = output::counter("make smaller");
        let small = minimise(case, finding, &mut engines, Limits::default(), || bar.inc(1))?;
        bar.finish_and_clear();
        let Minimised { case: smallest, finding: remaining, runs } = small;
        let seed = self.source.seed;
        let file = self.args.out.join(format!("case-{seed}-{number}.json"));
        let why = format!("case {number} of seed {seed}, made smaller");
        let stored = CaseFile::new(&smallest, why, Some(remaining.clone()))?;
        std::fs::create_dir_all(&self.args.out).map_err(|error| {
            Failure::from_error(Code::BadInput, error)
                .context(format!("cannot create `{}`", self.args.out.display()))
                .help("give `--out` a directory that you may write to")
        })?;
        write_atomically(&file, stored.to_json().as_bytes())?;
        let first_divergence = match stored.build() {
            Ok(built) => self.locate(built, &remaining)?,
            // What cannot be compiled has no place in the array.
            Err(_) => None,
        };
        let (number, finding) = (*number, finding.clone());
        Ok(Found { number, finding, smallest, remaining, runs, file, first_divergence })
    }

    fn is(&self, kind: EngineKind, name: &str) -> bool {
        (self.make)(kind, self.tools.as_ref()).name() == name
    }

    /// The tile, the processing element, the cycle and, where the engine can say it, the cause.
    pub(super) fn locate(&self, built: Built, finding: &Finding) -> Outcome<Option<Divergence>> {
        let Kind::Mismatch(Mismatch::Tensor(difference)) = &finding.kind else { return Ok(None) };
        let Built { network, compiled, images, .. } = built;
        let build = Build { network, compiled };
        let mut divergence = Divergence {
            image: finding.image,
            engine: finding.engine.clone(),
            difference: (**difference).clone(),
            location: None,
            layer_cycles: finding.layer_cycles.clone(),
        };
        let is_rtl = self.is_rtl(&finding.engine);
        let tools = self.tools.as_ref().filter(|_| is_rtl);
        let program = &build.compiled.program;
        let tracer = tools.map(|Tools { toolchain, .. }| Tracer {
            design: accelerator_design(&program.array, &program.depths),
            toolchain,
            directory: self.args.out.clone(),
            margin: TRACE_MARGIN,
            is_whole: false,
        });
        let image = &images[finding.image];
        divergence.location = Some(divergence::find(&build, image, &divergence, tracer.as_ref())?);
        Ok(Some(divergence))
    }

    fn is_rtl(&self, engine: &str) -> bool {
        self.tools.is_some() && self.is(EngineKind::Rtl, engine)
    }
}
