# `make demo` shows what pycow does, `make test` shows that it does it.

# Where tests note that they cannot run here.
skipped = $(or $(CARGO_TARGET_DIR),target)/skipped

.DEFAULT_GOAL := help
.PHONY: help setup tools build test soak lint demo bench costs matrix dist
# setup must be over before cargo starts.
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: ## fetch what the build and the tests need, into .hosts/
	tools/testkit/setup

tools:
	@tools/testkit/setup --tools

build: tools ## the plugin: target/release/libpycow_plugin.so
	cargo build --release

test: setup build ## every promise, against real uWSGI
	rm -rf $(skipped)
	cargo test --workspace || { tools/testkit/skipped $(skipped); exit 1; }
	@tools/testkit/skipped $(skipped)

soak: setup build ## the measures of tests/soak at full length, stock uWSGI beside: an hour
	PYCOW_LONG=1 cargo test --release --test soak -- --nocapture --test-threads=1

lint: ## formatting, clippy, rustdoc, licenses of what is linked
	@tools/testkit/setup --lint
	cargo fmt --all --check
	cargo clippy --all-targets --workspace -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --document-private-items --workspace
	@PATH="$(CURDIR)/.hosts/cargo-deny/bin:$$PATH"; \
	if cargo deny --version >/dev/null 2>&1; then cargo deny --log-level error check bans licenses sources; \
	else echo 'skipped cargo deny: none for this machine'; fi

demo: ## a Django application with and without pycow, side by side
	@tools/testkit/setup --demo
	cargo build --release --package pycow --package pycow-compare
	@cargo run --quiet --release --package pycow-compare -- --brief --workloads hot --methods freeze,immortal --rounds 1 --requests 4000 --scale 0 --out target/demo
	@printf 'For your own uwsgi.ini, after the line that loads Python:\n\n    plugin = %s\n\n' $(CURDIR)/target/release/libpycow_plugin.so

# What `make bench` takes: each is an option of the program that does the work.
bench_options = APP INI URLS REQUESTS WORKERS UWSGI OUT HOST_GB ROUNDS METHODS WORKLOADS SCALE
option = --$(subst _,-,$(shell echo $1 | tr A-Z a-z))

bench: build ## every method side by side: APP=wsgi.py or INI=uwsgi.ini, URLS, REQUESTS, WORKERS, UWSGI, OUT, HOST_GB
	tools/testkit/setup --bench
	cargo run --quiet --release --package pycow-compare -- $(foreach name,$(bench_options),$(if $($(name)),$(call option,$(name))='$($(name))'))

costs: setup build ## what pycow itself costs: the immortal walk, a request, a sample
	cargo bench --bench immortal --bench overhead --bench sampling

matrix: ## the load tests on every uWSGI and CPython that this machine can offer
	tools/testkit/setup --all
	$(MAKE) build
	cargo test --test load -- --nocapture

# zig brings a linker and the symbol versions of every glibc.
dist = target/dist/pycow_plugin.so
dist: tools ## one file for every host: target/dist/pycow_plugin.so, for glibc 2.17 and newer
	tools/testkit/setup --dist
	PATH="$(CURDIR)/.hosts/zig/bin:$$PATH" cargo zigbuild --release --lib --target x86_64-unknown-linux-gnu.2.17
	install -D target/x86_64-unknown-linux-gnu/release/libpycow_plugin.so $(dist)
	! readelf --version-info $(dist) | grep -E 'GLIBC_2\.(1[89]|[2-9][0-9])'
	tools/testkit/setup
	PYCOW_PLUGIN=$(CURDIR)/$(dist) cargo test --test object --test load
	PYCOW_HOSTS=$(CURDIR)/.hosts/old PYCOW_PLUGIN=$(CURDIR)/$(dist) cargo test --test load -- it_loads_everywhere
