# `make demo` shows what pycow does, `make test` shows that it does it.

# Without a libclang on the system, setup leaves PyPI's here for bindgen. Asked
# anew by each recipe, for setup may just have made it.
libclang = $(shell ls -d .hosts/libclang/lib/python3.*/site-packages/clang/native 2>/dev/null)
cargo = $(addprefix LIBCLANG_PATH=,$(libclang)) cargo

.DEFAULT_GOAL := help
.PHONY: help setup tools build test lint demo bench costs matrix
# setup must be over before cargo starts.
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: ## fetch what the build and the tests need, into .hosts/
	tests/support/setup

tools:
	@tests/support/setup --tools

build: tools ## the plugin: target/release/libpycow_plugin.so
	$(cargo) build --release

test: setup build ## every promise, against real uWSGI
	$(cargo) test --workspace --release

lint: tools ## formatting and clippy
	cargo fmt --all --check
	$(cargo) clippy --all-targets --workspace -- -D warnings

demo: ## a Django application with and without pycow, side by side
	@tests/support/setup --demo
	$(cargo) build --release
	$(cargo) bench --bench demo

# What `make bench` takes: each is an option of the program that does the work.
bench_options = APP INI URLS REQUESTS WORKERS UWSGI OUT HOST_GB ROUNDS METHODS WORKLOADS SCALE
option = --$(subst _,-,$(shell echo $1 | tr A-Z a-z))

bench: build ## every method side by side: APP=wsgi.py or INI=uwsgi.ini, URLS, REQUESTS, WORKERS, UWSGI, OUT, HOST_GB
	tests/support/setup --bench
	$(cargo) run --quiet --release --package pycow-bench -- $(foreach name,$(bench_options),$(if $($(name)),$(call option,$(name))='$($(name))'))

costs: setup build ## what pycow itself costs: the immortal walk, a request, a sample
	$(cargo) bench --bench immortal --bench overhead --bench sampling

matrix: ## the load tests on every uWSGI and CPython that this machine can offer
	tests/support/setup --all
	$(MAKE) build
	$(cargo) test --release --test load -- --nocapture
