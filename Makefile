# `make` alone lists the targets. CMake presets and the programs in scripts/ do the work.

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 5
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test build lint format fuzz package vm-test vm-quick bench deps lint-deps

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: deps ## build, then upgrade a fleet of nodes and watch its books balance
	@scripts/build release tallyman || { echo "demo: not run, the build failed"; exit 1; }
	@examples/demo.sh

test: deps ## build with address and undefined-behaviour sanitizers, run every test
	@scripts/run-tests dev $(JOBS)

build: deps ## build the program, build/release/tallyman
	@scripts/build release tallyman || { echo "build: failed"; exit 1; }
	@echo "build: build/release/tallyman is ready"

lint: lint-deps ## check formatting, bugs, the API definition, scripts and layering
	@scripts/lint $(JOBS)

format: lint-deps ## format every C++ file in place
	@scripts/cpp-files | xargs -0 clang-format-19 -i
	@echo "formatted $$(scripts/cpp-files | tr -cd '\0' | wc -c) files"

fuzz: lint-deps ## feed each reader of text with rubbish for FUZZ_SECONDS (5)
	@scripts/fuzz $(FUZZ_SECONDS)

package: deps ## make a Debian package and look at what is in it
	@scripts/package

vm-test: package ## try the package on an emulated Debian machine: reboots, power cuts, clocks, full disks
	@scripts/build release isolation_test
	@scripts/vm run

vm-quick: package ## the shortest of that: install, create a node, reboot, still there
	@scripts/vm run quick

bench: deps ## measure, each figure beside its reference
	@scripts/build release tallyman bench/all || { echo "bench: not run, the build failed"; exit 1; }
	@bench/run.sh

deps:
	@scripts/install-deps

lint-deps:
	@scripts/install-deps lint
