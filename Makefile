# Hadir. `make demo` plays a morning at the office, `make test` runs the tests; both set up all they need first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready
MODELS := models/.ready
TREE := kiosk wire district tests scripts docs

.PHONY: help setup demo test check format evaluate faults golden contract lock clean

help: ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	scripts/setup.sh
	@touch $@

$(MODELS): models/manifest.toml $(READY)
	$(BIN)/kiosk models fetch --demo
	@touch $@

setup: $(READY) $(MODELS) ## make .venv, install the locked requirements, fetch and verify the models

demo: setup ## play a morning at the office, on real pictures and fingers, without any hardware
	@scripts/system.sh --wanted mosquitto
	$(BIN)/kiosk demo --out out/demo

test: setup ## run the tests
	@scripts/system.sh --needed mosquitto xvfb xdotool
	@command -v npm >/dev/null || scripts/system.sh --wanted nodejs npm
	$(BIN)/pytest

check: $(READY) ## ruff, mypy strict, import-linter
	$(BIN)/ruff check $(TREE)
	$(BIN)/ruff format --check $(TREE)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## let ruff format the tree
	$(BIN)/ruff check --fix $(TREE)
	$(BIN)/ruff format $(TREE)

evaluate: setup ## measure errors and costs on KIOSK_DATA (else ../shared/data), write docs/accuracy.md, performance.md
	OPENBLAS_NUM_THREADS=1 $(BIN)/python scripts/performance.py
	OPENBLAS_NUM_THREADS=1 $(BIN)/python scripts/evaluate.py

faults: setup ## kill it 200 times, and more (about 20 minutes)
	@scripts/system.sh --needed mosquitto xvfb xdotool
	$(BIN)/pytest -m faults

golden: setup ## draw the golden pictures of the screen anew; look at them before you commit them
	UPDATE_GOLDEN=1 $(BIN)/pytest tests/display

contract: $(READY) ## write docs/contract anew from the code; look at the difference before you commit it
	$(BIN)/python -m scripts.contract

lock: ## resolve the requirements anew, for x86-64 and aarch64, Python 3.11 and 3.13
	scripts/lock.sh

clean: ## remove what was made here
	rm -rf .venv out scripts/contract/node_modules models/.ready models/fetched models/*.onnx models/*.task models/*.tflite
