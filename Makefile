# make setup  only the environment; activate it with . .venv/bin/activate
# make demo   trains on procedural shapes, exports, segments a video of them
# make demo-objects  the same for objects: a video with boxes, masks and counts
# make test   the tests; make test-slow runs those that take more than five seconds; make
#             test-full runs all. Tests that measure time run last, one at a time.
#             make WORKERS=4 test is for a machine with more than two cores
# make test-arm   the camera loop as on a Raspberry Pi 4 and 5, under emulation, from a bare
#             Debian that it downloads with apt-get (no rights needed) and keeps
# make lint   ruff and mypy
# make backends   installs JAX, PyTorch and ONNX, so that their tests are not skipped
# make docs   the pages of docs/ as a site, in site/; any warning is an error
# Each does all the set-up it needs in .venv. make PYTHON=python3.12 demo picks a Python.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
RUN := saved_models/demo
OBJECTS := saved_models/demo-objects
TORCH := 2.13.0
WORKERS := 2

# Python keeps what it has compiled, whatever the environment says. Otherwise each worker and
# each process of the tests compiles all sources again.
unexport PYTHONDONTWRITEBYTECODE

# $(call tests,WHICH) runs the tests of a marker expression, in workers. Tests that measure
# time run after them, without workers. Only the files that contain such tests are given,
# because collecting all takes 10 seconds. It fails if either of the two runs has failed.
define tests
status=0; \
$(PY) -m pytest -n $(WORKERS) --dist worksteal -m "$(1) and not serial" || status=$$?; \
$(PY) -m pytest -n 0 -m "$(1) and serial" $(SERIAL) || status=$$?; \
exit $$status
endef
SERIAL = $$(grep -rl --include='test_*.py' mark.serial tests)

.PHONY: setup demo demo-objects test test-slow test-full test-arm backends lint docs clean

demo: $(RUN)/demo.mp4
	@echo
	@echo "Look at $(RUN)/report.html, $(RUN)/demo.mp4 (in a player, not in a browser) and $(RUN)/parity.json"

demo-objects: $(OBJECTS)/demo.mp4
	@echo
	@echo "Look at $(OBJECTS)/report.html, $(OBJECTS)/demo.mp4 (in a player, not in a browser) and $(OBJECTS)/card.md"

setup: $(VENV)/.base

# One worker more than there are cores, as fast tests also wait: for processes, streams, pages.
test: WORKERS := 3
test: $(VENV)/.dev
	@$(call tests,not slow and not full and not device)

test-slow: $(VENV)/.dev
	@$(call tests,slow and not full and not device $(AND))

test-full: $(VENV)/.dev
	@$(call tests,not device)

test-arm: $(VENV)/.dev
	@$(PY) -m tests.arm

# PyTorch first, in an exact version: a range could select a build for other devices.
backends: $(VENV)/.dev
	$(PY) -m pip install --quiet --disable-pip-version-check torch==$(TORCH)
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[jax,torch,onnx]"

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/.docs
	$(VENV)/bin/zensical build --clean --strict

clean:
	rm -rf $(VENV) .venv-* $(RUN) $(OBJECTS) site

# An interrupted run continues from its checkpoint.
$(RUN)/.trained: | $(VENV)/.base
	$(PY) -m kseg.train --data shapes --epochs 10 --learning-rate 3e-3 --scale 1 --color 0 \
	  --output $(RUN) \
	  $(if $(wildcard $(RUN)/checkpoint.npz),--resume,--overwrite)
	@touch $@

$(RUN)/.exported: $(RUN)/.trained
	$(PY) -m kseg.export $(RUN) --max-drop 0.02
	@touch $@

$(RUN)/demo.mp4: $(RUN)/.exported
	$(PY) edge/camera_demo.py $(RUN)/int8.tflite --source shapes --headless \
	  --max-frames 250 --record $@ --stats $(RUN)/stats.json

$(OBJECTS)/.trained: | $(VENV)/.base
	$(PY) -m kseg.train --data shapes --task instance --epochs 6 --ema 0.99 \
	  --output $(OBJECTS) \
	  $(if $(wildcard $(OBJECTS)/checkpoint.npz),--resume,--overwrite)
	@touch $@

$(OBJECTS)/.exported: $(OBJECTS)/.trained
	$(PY) -m kseg.export $(OBJECTS)
	@touch $@

$(OBJECTS)/demo.mp4: $(OBJECTS)/.exported
	$(PY) edge/camera_demo.py $(OBJECTS)/int8.tflite --source shapes --headless --track \
	  --max-frames 250 --record $@ --stats $(OBJECTS)/stats.json

$(VENV)/.dev: $(VENV)/.base
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	@touch $@

$(VENV)/.base: pyproject.toml | python-is-fit
	@echo "Setting up $(VENV) (about 2 GB; minutes on a slow line)"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.PHONY: python-is-fit
python-is-fit:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "kseg needs Python 3.11 to 3.13: make PYTHON=python3.12 demo" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) lacks the venv module: sudo apt install python3-venv" >&2; exit 2; }
