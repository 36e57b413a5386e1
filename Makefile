# Two commands: `make demo` and `make test`. Both install what is missing.

CARGO ?= cargo

.PHONY: demo test quick

# The main job on the bundled network and images, with a verdict.
demo:
	scripts/setup.sh demo
	$(CARGO) run --release --quiet --package heartbit-cli -- demo

# Everything that must hold: format, lints, documentation, all tests.
test:
	scripts/setup.sh test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features --quiet -- --deny warnings
	RUSTDOCFLAGS=--deny=warnings $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) test --workspace --all-features

# Without the trainer and without outside tools: seconds after the first build.
quick:
	$(CARGO) test --quiet --lib --package heartbit-ir --package heartbit-compiler --package heartbit-sim
	$(CARGO) test --quiet --package heartbit-tests --test simulator
