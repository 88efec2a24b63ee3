# `make demo` shows what pycow does, `make test` shows that it does it.

# Where cargo builds.
built = $(or $(CARGO_TARGET_DIR),target)

# Where tests note that they cannot run here.
skipped = $(built)/skipped

.DEFAULT_GOAL := help
.PHONY: help setup tools build test soak lint docs demo bench costs fuzz matrix fork-libraries packages dist test-install release sanitize miri modes why suites why-applications faults
# setup must be over before cargo starts.
.NOTPARALLEL:

# What builds says that it is alive.
alive = tools/testkit/alive

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup: ## fetch what the build and the tests need, into .hosts/
	tools/testkit/setup

tools:
	@tools/testkit/setup --tools

build: tools ## the plugin: target/release/libpycow_plugin.so
	$(alive) cargo build --release

test: setup build ## every promise, against real uWSGI
	rm -rf $(skipped)
	tools/testkit/suite --workspace || { tools/testkit/skipped $(skipped); exit 1; }
	@tools/testkit/skipped $(skipped)

soak: setup build ## the measures of tests/soak at full length, stock uWSGI beside: an hour
	PYCOW_LONG=1 $(alive) cargo test --release --test soak -- --nocapture --test-threads=1

# Tests with a target of their own are none of cargo's "all targets".
apart = $(shell grep -B 2 '^test = false' Cargo.toml | sed -n 's/^name = "\(.*\)"/--test \1/p')

lint: ## formatting, clippy, rustdoc, licenses of what is linked
	@tools/testkit/setup --lint
	cargo fmt --all --check
	$(alive) cargo clippy --all-targets --workspace -- -D warnings
	$(alive) cargo clippy $(apart) -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(alive) cargo doc --no-deps --document-private-items --workspace
	@PATH="$(CURDIR)/.hosts/cargo-deny/bin:$$PATH"; \
	if cargo deny --version >/dev/null 2>&1; then cargo deny --log-level error check bans licenses sources; \
	else echo 'skipped cargo deny: none for this machine'; fi

docs: ## these pages as a site, with every link checked: target/docs/site/index.html
	@tools/testkit/setup --docs
	rm -rf target/docs
	mkdir -p target/docs/pages
	cp -R --parents README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE docs contrib packaging/examples target/docs/pages
	.hosts/mkdocs/bin/mkdocs build --quiet --strict

# cargo run would build once more what both need: for the comparison alone, with fewer features.
demo: ## a Django application with and without pycow, side by side
	@tools/testkit/setup --demo
	$(alive) cargo build --release --package pycow --package pycow-compare
	@$(built)/release/pycow-compare --brief --workloads hot --methods freeze,immortal --rounds 1 --requests 4000 --scale 0 --out target/demo
	@printf 'For your own uwsgi.ini, after the line that loads Python:\n\n    plugin = %s\n\n' $(CURDIR)/target/release/libpycow_plugin.so

# What `make bench` takes: each is an option of the program that does the work.
bench_options = APP INI URLS WARMUP LAZY_APPS REQUESTS WORKERS UWSGI OUT HOST_GB ROUNDS METHODS WORKLOADS SCALE
option = --$(subst _,-,$(shell echo $1 | tr A-Z a-z))

compare = cargo run --quiet --release --package pycow-compare -- $(foreach name,$(bench_options),$(if $($(name)),$(call option,$(name))='$($(name))'))

# A file that is not there is told before anything is built.
missing = $(strip $(foreach name,APP INI URLS WARMUP,$(if $($(name)),$(shell test -e '$($(name))' || echo '$(name)=$($(name)): no such file'))))
all_there = $(if $(missing),$(error $(missing)))

# One's own application is looked at before anything that takes its time.
bench: tools ## every method side by side: APP=wsgi.py or INI=uwsgi.ini, URLS, WARMUP, REQUESTS, WORKERS, UWSGI, OUT, HOST_GB
	$(all_there)
	tools/testkit/setup --demo
	$(alive) cargo build --release --package pycow-compare
	$(if $(APP)$(INI),$(compare) --look)
	tools/testkit/setup --bench '$(METHODS)' '$(if $(APP)$(INI),own,$(WORKLOADS))' '$(UWSGI)'
	$(alive) cargo build --release
	$(compare)

# Its report does not replace that of a comparison.
why: OUT ?= target/why
why_methods = freeze,immortal
why: tools ## what is private in a worker, and why: APP=wsgi.py or INI=uwsgi.ini, URLS, WARMUP, METHODS
	$(all_there)
	tools/testkit/setup --demo
	$(alive) cargo build --release --package pycow-compare
	$(if $(APP)$(INI),$(compare) --look)
	tools/testkit/setup --bench '$(or $(METHODS),$(why_methods))' '$(if $(APP)$(INI),own,$(WORKLOADS))' '$(UWSGI)'
	$(alive) cargo build --release
	$(compare) --why

why-applications: build ## pycow.why on the shop, Wagtail and a scikit-learn service: its parts add up, and looking costs nothing
	tools/testkit/setup --why-applications
	$(alive) cargo test --test why -- --nocapture --test-threads=1 --include-ignored applications

costs: setup build ## what pycow itself costs: the immortal walk, a request, a sample, an answer of pycow.why
	$(alive) cargo bench --bench immortal --bench overhead --bench sampling --bench why

# A compiler of the stable channel counts edges when asked in LLVM's own words; with a target named,
# cargo leaves build scripts alone.
fuzz_flags = --cfg coverage_counted -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks
SECONDS ?= 60
TARGET ?= all

fuzz: ## bad input for every parser: SECONDS=60 each, TARGET=one of them, SEED=the same again
	RUSTFLAGS='$(fuzz_flags)' $(alive) cargo run --quiet --release --package pycow-fuzz --target-dir target/fuzz \
		--target $(shell rustc -vV | sed -n 's/^host: //p') -- $(SECONDS) $(TARGET) $(SEED)

# The stable compiler carries the runtime of AddressSanitizer; whoever uses it says that it is not stable.
# What tests leak lasts as long as they do.
# Not in one command: --lib would take the library of pycow-fuzz, too, which has the plugin's own files and none of its documents.
asan = RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=detect_leaks=0 $(alive) cargo test --target-dir target/asan \
	--target $(shell rustc -vV | sed -n 's/^host: //p')

sanitize: build ## unit tests and bad input under AddressSanitizer, a whole life under valgrind, beside stock: 5 minutes
	tools/testkit/setup --sanitize
	$(asan) --package pycow --lib
	$(asan) --package pycow-fuzz --test short
	$(alive) cargo test --test sanitize -- --nocapture --test-threads=1

# What Miri can run: rooms that call nothing foreign; one test reads a megabyte, letter by letter. It comes with nightly compilers alone.
pure = config linux::smaps linux::mappings linux::statm uwsgi::elf python::refcount collector::full collector::young leaving::decisions

miri: tools ## unit tests of the rooms that only compute, under Miri: needs rustup's nightly with miri and rust-src
	MIRIFLAGS=-Zmiri-disable-isolation $(alive) cargo +nightly miri test --target-dir target/miri --package pycow --lib -- \
		$(addsuffix ::,$(pure)) --skip a_file_has_one_a_line

modes: build ## every way to run uWSGI, beside stock, into docs/supported.md: MODE=one of them
	tools/testkit/setup --modes
	$(alive) cargo test --test modes -- --nocapture

suites: build ## Django's, SQLAlchemy's and pandas' own tests in an immortal worker, stock beside: SUITE=one of them
	tools/testkit/setup --suites
	$(alive) cargo test --test suites -- --nocapture

faults: setup build ## what may go wrong, beside stock, into docs/supported.md: 3 minutes
	PYCOW_LONG=1 $(alive) cargo test --test faults -- --nocapture --test-threads=2

matrix: tools ## the behaviour suite on every uWSGI and CPython to be had, into docs/supported.md: HOSTS=part of a name,..
	tools/testkit/setup --matrix '$(HOSTS)'
	tools/testkit/setup --dist
	$(alive) packaging/build plugin $(ARCH)
	PYCOW_PLUGIN=$(dist) HOSTS='$(HOSTS)' $(alive) cargo test --test matrix -- --nocapture

fork-libraries: build ## database clients, tracing agents and the like: over a fork and at exit, into docs/supported.md
	tools/testkit/setup --fork-libraries
	$(alive) cargo test --test fork_libraries -- --ignored --nocapture --test-threads=2

# Of what processor the files are that others get: x86_64 or aarch64.
ARCH ?= $(shell uname -m)
dist = $(CURDIR)/target/dist/$(ARCH)/pycow_plugin.so

packages: tools ## plugin for glibc 2.17 and newer, wheel, .deb and .rpm, in target/dist/ (ARCH=aarch64)
	@tools/testkit/setup --dist $(ARCH)
	$(alive) packaging/build plugin $(ARCH)
	packaging/build packages $(ARCH)

# What qemu cannot show of an emulated process: that address space runs out, since it limits none (RLIMIT_AS), and how
# much memory is private, since what it translates lies in the same process.
not_emulated = --skip without_memory_for_its_notes --skip nothing_that_requests_read_is_copied

emulated = PYCOW_PATIENCE=10 PYCOW_CC='$(CURDIR)/.hosts/zig/bin/python -m ziglang cc -target $(ARCH)-linux-gnu' PYCOW_HOSTS=$(CURDIR)/.hosts/$(ARCH) PYCOW_PLUGIN=$(dist) $(alive) cargo test --no-fail-fast

ifeq ($(ARCH),$(shell uname -m))
dist: packages ## the same, and the plugin tried on every host; one of another processor on an emulated one
	tools/testkit/setup
	PYCOW_PLUGIN=$(dist) $(alive) cargo test --test object --test load
	PYCOW_HOSTS=$(CURDIR)/.hosts/old PYCOW_PLUGIN=$(dist) $(alive) cargo test --test load -- it_loads_everywhere
else
dist: packages
	tools/testkit/setup --emulated $(ARCH)
	$(emulated) --test load --test leaving --test report -- --test-threads=1
	$(emulated) --test collector --test immortal -- --test-threads=1 policy:: shared:: ends:: $(not_emulated)
endif

test-install: packages ## the packages on machines that have nothing of this: needs root and a network, 2 minutes
	tools/testkit/setup --install
	tools/testkit/setup
	rm -rf $(skipped)
	$(alive) cargo test --test install -- --nocapture --test-threads=1 || { tools/testkit/skipped $(skipped); exit 1; }
	@tools/testkit/skipped $(skipped)

release: ## all that a release gives away, with bill of materials and checksums (docs/releasing.md)
	packaging/build ready
	$(MAKE) dist ARCH=x86_64
	$(MAKE) test-install ARCH=x86_64
	$(MAKE) dist ARCH=aarch64
	packaging/build release
