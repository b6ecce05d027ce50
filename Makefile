# Every target starts from a bare checkout; a second call skips what is done.
# PYTHON names the interpreter to make the environment with: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BIN := $(VENV)/bin

# napari needs a display with OpenGL: on Linux the tests bring their own.
ifeq ($(shell uname -s),Linux)
DISPLAYED := xvfb-run -a -s "-screen 0 1600x1000x24"
endif

.DEFAULT_GOAL := help
.PHONY: help install system-packages demo test proofs coverage lint docs layers screenshots lock clean

help:
	@echo "make demo     pretrain, fine-tune and score on a synthetic cohort; results in demo/"
	@echo "make test     all checks, the documentation and all tests"
	@echo "make proofs   long proofs of which make test runs a smaller form"
	@echo "make lint     the checks alone: ruff, mypy, import-linter"
	@echo "make docs     build the documentation into site/"
	@echo "make coverage run all tests but the slow ones once, and print which lines they reach"
	@echo "make layers   draw the import contracts for docs/architecture.md"
	@echo "make screenshots  make the pictures of the window in docs/images"
	@echo "make lock     write requirements.lock, the hashes of a release"
	@echo "make install  only set up .venv"
	@echo "make clean    remove what was built, keep .venv"

install: $(STAMP)

demo: install
	$(BIN)/cmr-ssp demo --headless --out demo

test: lint docs
	QT_API=pyqt6 $(DISPLAYED) $(BIN)/pytest --numprocesses 2 --dist loadfile -m "not proof"
	QT_API=pyside6 $(DISPLAYED) $(BIN)/pytest --numprocesses 2 --dist loadfile -m "window and not proof" $(ALIKE:%=--ignore %)

# Long, and mostly alike with both bindings: trainings, files, and what comes back after a restart. With the second
# binding they have their turn in `make proofs`.
ALIKE := tests/window/test_window.py tests/slow tests/methods $(addprefix tests/window/test_window_,exams.py \
	methods.py memory.py checkpoint.py continuing.py first_model.py cohort.py dicom.py opening.py queue.py \
	managing.py words.py)

proofs: install
	$(DISPLAYED) $(BIN)/pytest -m proof
	QT_API=pyside6 $(DISPLAYED) $(BIN)/pytest -m "window and not proof" $(ALIKE)

# Apart from the tests, which it makes slower.
coverage: install
	$(DISPLAYED) $(BIN)/pytest --numprocesses 2 --dist loadfile -m "not slow" --cov cmr_ssp --cov napari_cmr_ssp --cov-report term:skip-covered

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: install
	$(BIN)/mkdocs build --strict

layers: install
	$(BIN)/python docs/layers.py

screenshots: install
	$(DISPLAYED) $(BIN)/python docs/screenshots.py $(if $(SUNNYBROOK),--sunnybrook $(SUNNYBROOK)) $(if $(MODEL),--model $(MODEL))

# Every build of torch has other hashes, and the user chooses one; the engine lies here and on no server: overrides
# that never hold leave both out.
lock: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	printf "%s ; python_version < '3'\n" torch cmr-ssp | $(BIN)/uv --no-config pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --constraint constraints.txt --override /dev/stdin --extra pyside6 --extra dicom \
		--no-annotate --custom-compile-command "make lock" --output-file requirements.lock engine/pyproject.toml pyproject.toml

clean:
	rm -rf site build dist demo .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# Comes first, since Debian ships Python without the means to make an environment.
system-packages:
	@.ci/system-packages $(PYTHON)

$(STAMP): pyproject.toml engine/pyproject.toml constraints.txt | system-packages
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable ./engine --editable ".[pyqt6,pyside6,test,docs]"
	touch $@
