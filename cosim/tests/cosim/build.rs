//! Cache, and designs that must not build.

use std::fs;
use std::path::Path;
use std::sync::Barrier;

use heartbit_cosim::{Compiled, Design, Error, Initial, Port, Simulation};

use crate::{build, counter, fail, toolchain};

#[track_caller]
fn compile(design: &Design) -> Compiled {
    build(design.clone()).compile(&toolchain()).unwrap_or_else(|error| fail(&error))
}

/// The counter of this test alone, not in the cache.
#[track_caller]
fn absent_counter(test: &str) -> Design {
    let design = counter(&format!("// {test}"));
    remove_entry(compile(&design).path());
    design
}

fn remove_entry(product: &Path) {
    let entry = product.parent().expect("bug: the product is in an entry");
    fs::remove_dir_all(entry).expect("bug: the entry is there");
}

#[track_caller]
fn count_after_three_steps(compiled: &Compiled) -> u64 {
    let mut model = compiled.instantiate(Initial::Zero).expect("bug: the model loads");
    let step = model.port("step").expect("bug: the port exists");
    model.set(step, 2);
    assert_eq!(model.run(3).expect("bug: the design does not stop"), 3);
    model.get(model.port("count").expect("bug: the port exists"))
}

#[test]
fn second_build_finds_the_first_in_the_cache() {
    let design = absent_counter("cache hit");
    let modified = |compiled: &Compiled| {
        fs::metadata(compiled.path()).and_then(|m| m.modified()).expect("bug: the product exists")
    };
    let first = compile(&design);
    let time = modified(&first);
    let second = compile(&design);
    assert!(first.is_fresh() && !second.is_fresh());
    assert_eq!((first.path(), time), (second.path(), modified(&second)));
    assert_eq!(count_after_three_steps(&second), 6);
}

#[test]
fn changed_text_gets_its_own_model_and_the_old_text_the_old_one() {
    let design = counter("// changed text");
    let mut changed = design.clone();
    changed.files[0].1 = changed.files[0].1.replace("count + ", "count - ");
    for _ in 0..2 {
        assert_eq!(count_after_three_steps(&compile(&design)), 6);
        assert_eq!(count_after_three_steps(&compile(&changed)), 0x1_0000 - 6);
    }
}

#[test]
fn damaged_entry_is_built_again() {
    let design = absent_counter("damage");
    let product = compile(&design).path().to_owned();
    let bytes = fs::read(&product).expect("bug: the product exists");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for damage in [&bytes[..bytes.len() / 2], &flipped] {
        // A new file, because the old one may still be mapped by a model of this process.
        fs::remove_file(&product).expect("bug: the product exists");
        fs::write(&product, damage).expect("bug: the entry is writable");
        let rebuilt = compile(&design);
        assert!(rebuilt.is_fresh());
        assert_eq!(count_after_three_steps(&rebuilt), 6);
    }
    let mut digest = product.clone().into_os_string();
    digest.push(".blake3");
    fs::remove_file(digest).expect("bug: the digest exists");
    assert!(compile(&design).is_fresh(), "an entry without digest is not trusted");
}

#[test]
fn concurrent_builds_of_one_design_build_once() {
    let design = absent_counter("concurrent");
    let barrier = Barrier::new(4);
    let n_fresh = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let compiled = compile(&design);
                    assert_eq!(count_after_three_steps(&compiled), 6);
                    compiled.is_fresh()
                })
            })
            .collect();
        let fresh = threads.into_iter().map(|t| t.join().expect("bug: the thread panicked"));
        fresh.filter(|&is_fresh| is_fresh).count()
    });
    assert_eq!(n_fresh, 1);
}

#[test]
fn warning_of_verilator_is_an_error_with_its_text() {
    let mut design = counter("");
    design.files[0].1 = design.files[0].1.replace("{8'd0, step}", "step[6:0]");
    let Err(error) = build(design).compile(&toolchain()) else {
        panic!("an addition of 16 and 7 bits is a warning")
    };
    assert_eq!(error.to_string(), "verilator failed to translate `counter` (exit status: 1)");
    assert_eq!(error.exit_code(), 5);
    let details = error.details().unwrap_or_default();
    assert!(details.contains("WIDTH") && details.contains("rtl/counter.v:4"), "{details}");
}

#[test]
fn port_table_that_disagrees_with_the_text_is_an_error() {
    let mut design = counter("").port(Port::output("carry", 1));
    design.ports[1].width = 9;
    let Err(Error::PortMismatch { problems, .. }) = build(design).compile(&toolchain()) else {
        panic!("the table has a wrong width and a port too many")
    };
    assert_eq!(
        problems,
        [
            "`step` has 8 bits in the module and 9 in the table",
            "`carry` is in the table but not in the module",
        ]
    );
}
