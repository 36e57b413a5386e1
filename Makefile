# Two commands: `make demo` and `make test`. Both install what is missing.

CARGO ?= cargo
# Everything but the GPU backends, which take long to build and need a driver.
FEATURES = --features heartbit-cli/train,heartbit-cli/png
# The fuzz targets, without libFuzzer. They have a lock file of their own: when --locked complains,
# `cargo update --workspace --manifest-path fuzz/Cargo.toml`.
FUZZ = --manifest-path fuzz/Cargo.toml --target-dir target --locked --no-default-features --features train

.PHONY: demo test quick formal coverage test-wgpu test-cuda

# The main job on the bundled network and images, with a verdict.
demo:
	scripts/setup.sh demo
	$(CARGO) run --release --quiet --package heartbit-cli -- demo

# Everything that must hold: format, lints, documentation, all tests.
test:
	scripts/setup.sh test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets $(FEATURES) --quiet -- --deny warnings
	RUSTDOCFLAGS=--deny=warnings $(CARGO) doc --workspace $(FEATURES) --no-deps --quiet
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy $(FUZZ) --quiet -- --deny warnings
	$(CARGO) test --workspace $(FEATURES)
	$(CARGO) test --workspace --test errors # of the command without the trainer

# Without the trainer and without outside tools: seconds after the first build.
quick:
	$(CARGO) test --quiet --lib --package heartbit-ir --package heartbit-compiler --package heartbit-sim
	$(CARGO) test --quiet --package heartbit-tests --test simulator

# Every proof about the emitted Verilog, for all arrays of the search and all accumulators: docs/formal.md.
# `make test` has the shorter ones.
formal:
	scripts/setup.sh test
	$(CARGO) test --package heartbit-tests --test formal -- --include-ignored

# What the tests cover of the Verilog (lines, toggles) and of the Rust code (lines), and what not.
coverage:
	scripts/setup.sh test
	scripts/coverage.sh

# The trainer on the adapter that wgpu finds, with a renderer in software if there is no GPU. The
# first build takes long.
test-wgpu:
	scripts/setup.sh gpu
	$(CARGO) test --package heartbit-trainer --package heartbit-cli $(FEATURES),heartbit-cli/wgpu wgpu

# The trainer on an NVIDIA GPU; it needs one.
test-cuda:
	$(CARGO) test --package heartbit-trainer --package heartbit-cli $(FEATURES),heartbit-cli/cuda cuda
