# mod_wsgi_rs. `make` alone says what there is to do.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help
export PATH := $(HOME)/.cargo/bin:$(PATH)
export CARGO_TERM_COLOR ?= auto

# What may be set on the command line.
PORT ?= 8000
APP ?=
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
PYTEST_ARGS ?=
BENCH_ARGS ?=
# Of make install and make uninstall.
FORCE ?=
DESTDIR ?=
ENABLE ?= yes
# PACKAGES=no: nothing of the operating system is looked at or installed.
PACKAGES ?= yes
APXS ?= $(firstword $(shell command -v apxs apxs2 2>/dev/null) apxs)
export APXS PORT APP FORCE DESTDIR ENABLE

# The ABIs that engines are built for: a configuration file each.
ABI_DIRECTORY := crates/python-extension/abi
ALL_ABIS := $(patsubst $(ABI_DIRECTORY)/%.txt,%,$(wildcard $(ABI_DIRECTORY)/*.txt))
# Those of the Pythons on this machine, unless ABIS="cp311 cp312" says others.
ABIS ?=
# The Python that lint checks the code for.
CHECK_ABI ?= cp311
VENV := $(CURDIR)/build/venv
# Where mod_wsgi 6 is built, to compare with.
MOD_WSGI := $(CURDIR)/build/mod_wsgi-venv

fail = { printf '%s\n' $(1) >&2; exit 1; }

.PHONY: help
help: ## Say what there is to do.
	echo "mod_wsgi_rs: Python WSGI applications in Apache httpd 2.4"
	echo
	grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 28
	echo
	echo "  make serve APP=path/to/app.wsgi serves that script in both modes; PORT=8001 chooses a port."
	echo "  make test PYTEST_ARGS='-k reload -x' hands arguments to pytest; ABIS='cp311 cp313' chooses engines to build."

.PHONY: serve
serve: build venv ## From a bare machine: build, then httpd with the examples on 127.0.0.1:8000, in the foreground.
	VENV=$(VENV) exec tools/serve

.PHONY: test
test: build venv mod_wsgi valgrind extensions ## From a bare machine: build, then every test.
	echo "== cargo test"
	PYO3_PYTHON="$(PYTHON)" cargo test --workspace --quiet || $(call fail,"A unit test failed; the output is above.")
	PYO3_PYTHON="$(PYTHON)" tools/test-engines "$(PYTHON)"
	echo "== end-to-end tests"
	cd tests
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS) ||
		$(call fail,"An end-to-end test failed; the output is above.")

.PHONY: test-differential
test-differential: build venv mod_wsgi ## Compare answers and logs with those of mod_wsgi 6, in both modes.
	cd tests
	$(VENV)/bin/python -m pytest differential $(PYTEST_ARGS) ||
		$(call fail,"A difference from mod_wsgi is not listed$(,) or one that is listed is gone; the output is above.")

.PHONY: test-matrix
test-matrix: build ## Try every CPython that is here or can be built, 3.14 without the GIL too, in both modes (half an hour; MATRIX="cp311 cp314t").
	PYO3_PYTHON="$(PYTHON)" PYTEST_ARGS="$(PYTEST_ARGS)" tools/matrix

.PHONY: test-long
test-long: build venv ## Restart, kill and overload for as long as the tests of reliability promise (about ten minutes).
	cd tests
	RELIABILITY=long $(VENV)/bin/python -m pytest -o faulthandler_timeout=1800 reliability --ignore=reliability/test_memory.py $(PYTEST_ARGS) ||
		$(call fail,"A request was lost$(,) or something was left behind; the output is above.")

.PHONY: test-memcheck
test-memcheck: build venv valgrind ## Send 10,000 requests of every kind through valgrind and through debug allocators; have 1,000 interpreters come and go (half an hour).
	cd tests
	MEMORY_REQUESTS=10000 $(VENV)/bin/python -m pytest -o faulthandler_timeout=1800 reliability/test_memory.py \
		reliability/test_interpreters.py::test_memcheck_finds_no_fault_in_interpreters_that_come_and_go $(PYTEST_ARGS) ||
		$(call fail,"Memory is used wrongly or kept; the output is above.")

.PHONY: test-docker
test-docker: build venv ## Build the Docker images and the Debian package, and try them in containers (DOCKER_BASES names the bases).
	# Debian 12, where it can be had, and Debian 13 have these Pythons.
	if docker info >/dev/null 2>&1 && [ -d /etc/apt ]; then $(MAKE) --no-print-directory deb ABIS="cp311 cp313"; fi
	cd tests
	$(VENV)/bin/python -m pytest -o faulthandler_timeout=1800 docker $(PYTEST_ARGS) ||
		$(call fail,"A container did not do what it should; the output is above.")

.PHONY: build
build: packages module ## Leave the module, the engines and wsgi.load in build/.
	abis="$(ABIS)"
	abis=$${abis:-$$(tools/pythons "$(PYTHON)")}
	if [ -n "$$abis" ]; then tools/engine $$abis; fi
	ls build/engine.*.so >/dev/null 2>&1 ||
		$(call fail,"No engine was built: no CPython 3.10 or newer was found. Install python3$(,) or set ABIS.")
	printf 'LoadModule wsgi_module "%s/build/mod_wsgi_rs.so"\n' "$(CURDIR)" >build/wsgi.load.new
	mv build/wsgi.load.new build/wsgi.load
	echo "Include $(CURDIR)/build/wsgi.load in an httpd.conf to load the module."

.PHONY: engines
engines: packages ## Build the engines of every CPython that is supported, there or not.
	tools/engine $(ALL_ABIS)

# Put in place at once: a running httpd has the old one mapped.
.PHONY: module
module: packages
	echo "== building the module"
	mkdir -p build
	cargo build --release --quiet || $(call fail,"The module could not be built; the compiler says why above.")
	cp target/release/libmod_wsgi_rs.so build/mod_wsgi_rs.so.new
	mv build/mod_wsgi_rs.so.new build/mod_wsgi_rs.so

.PHONY: packages
packages:
	if [ "$(PACKAGES)" != no ]; then tools/packages; fi

.PHONY: venv
venv: packages
	tools/venv $(VENV) "$(PYTHON)" tests/requirements.txt

# Tests that need them are skipped without them.
.PHONY: extensions
extensions: packages
	tools/extensions "$(PYTHON)" || echo "Nothing is tested with extension modules from PyPI." >&2

.PHONY: mod_wsgi
mod_wsgi: packages
	tools/venv $(MOD_WSGI) "$(PYTHON)" tests/differential/requirements.txt ||
		echo "mod_wsgi 6 cannot be built here$(,) so nothing is compared with it; the reason is above." >&2

.PHONY: bench
bench: build venv ## Compare with mod_wsgi 6, uWSGI and granian; BENCH_ARGS=--help says what else there is.
	mkdir -p build/bench
	tools/venv build/bench/venv "$(PYTHON)" benches/requirements.txt
	$(VENV)/bin/python benches/bench.py $(BENCH_ARGS) || $(call fail,"The benchmark did not come to its end; the reason is above.")

# Tests that need it are skipped without it.
.PHONY: valgrind
valgrind: packages
	if [ "$(PACKAGES)" != no ]; then tools/packages valgrind strace || echo "Nothing is tested under valgrind and strace." >&2; fi

.PHONY: lint
lint: packages ## Check formatting, clippy and the documentation of the code.
	cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
		$(call fail,"rustfmt and clippy are needed: rustup component add rustfmt clippy (Debian: apt-get install rustfmt rust-clippy)")
	export PYO3_CONFIG_FILE="$(CURDIR)/$(ABI_DIRECTORY)/$(CHECK_ABI).txt"
	echo "== cargo fmt"
	cargo fmt --all --check || $(call fail,"Run cargo fmt --all; the differences are above.")
	echo "== cargo clippy"
	cargo clippy --workspace --all-targets --quiet -- -D warnings || $(call fail,"clippy has complaints; they are above.")
	echo "== cargo clippy in fuzz/"
	# They are not linked here, so libFuzzer itself, which needs a C++ compiler, is left out.
	CUSTOM_LIBFUZZER_PATH=none/libFuzzer.a cargo clippy --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --quiet -- -D warnings ||
		$(call fail,"A fuzz target does not fit what it is for; the output is above.")
	echo "== cargo doc"
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items --quiet ||
		$(call fail,"The documentation has faults; they are above.")

.PHONY: docs
docs: packages ## Write docs/directives.md anew.
	WSGI_WRITE_DOCS=1 cargo test --quiet -p mod_wsgi_rs config::reference || $(call fail,"The manual was not written; the output is above.")

.PHONY: install
install: ## As root: install beside httpd's modules and load (FORCE=1: beside another mod_wsgi, ENABLE=no, DESTDIR).
	apxs/install

.PHONY: uninstall
uninstall: ## As root: take away what make install installed.
	apxs/uninstall

.PHONY: deb
deb: module ## Make build/libapache2-mod-wsgi-rs_*.deb, with the engines of every CPython that is supported (or ABIS).
	abis="$(ABIS)"
	tools/engine $${abis:-$(ALL_ABIS)}
	apxs/deb

.PHONY: clean
clean: ## Delete everything that was built.
	cargo clean --quiet 2>/dev/null || rm -rf target
	rm -rf build
	find tests examples -name __pycache__ -prune -exec rm -rf {} +
	echo "Deleted build/ and target/."

, := ,
