# `make reproduce` and `make test` are the two commands; `make help` lists the rest.
# ARGS go to the command behind a target:  make reproduce ARGS="--only 03"   make test ARGS="tests/test_parzen.py -x"

PYTHON ?= python3
ARGS =
BIN = .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
TORCH = 2.13.0

.DEFAULT_GOAL := help
.PHONY: help venv reproduce test test-all test-oldest test-py test-slurm test-browser check notebooks records results bench soak gpu site slides lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- the environment -----------------------------------------------------------------------------------
# .venv/lock.stamp says from which lock, Python and folder .venv was made, .venv/package.stamp from which
# pyproject.toml the package was installed. Each is removed first and written last, so that an interrupted
# installation never passes for a whole one.

VERSION_OK = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
BASE = import sys; print(sys._base_executable)
SHA = import hashlib, sys; print(hashlib.sha256(b"".join(open(f, "rb").read() for f in sys.argv[1:])).hexdigest())
MINIMA = import re, tomllib; names = tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]; \
  print(*(re.sub(">=", "==", name) + ".0" * (name.count(".") < 2) for name in names), sep="\n")
OLDEST = import sys; sys.exit(sys.version_info[:2] != (3, 11))
WHERE = import os, sys; print("Python %d.%d" % sys.version_info[:2], os.getcwd())

venv: ## make .venv from requirements.lock, if it is missing or stale
	@command -v $(PYTHON) >/dev/null || { \
	  echo 'make: there is no command "$(PYTHON)"; name a Python 3.11, 3.12 or 3.13, as in  make PYTHON=python3.12 venv' >&2; exit 1; }
	@$(PYTHON) -c '$(VERSION_OK)' || { \
	  echo 'make: "$(PYTHON)" is' "$$($(PYTHON) -V 2>&1)," 'but ganrepro needs 3.11, 3.12 or 3.13, as in  make PYTHON=python3.12 venv' >&2; exit 1; }
	@set -e; base=$$($(PYTHON) -c '$(BASE)'); \
	lock="$$("$$base" -c '$(WHERE)') $$("$$base" -c '$(SHA)' requirements.lock)"; \
	if [ "$$(cat .venv/lock.stamp 2>/dev/null)" != "$$lock" ] || ! $(BIN)/python -c '' 2>/dev/null; then \
	  echo "Making .venv from requirements.lock with $$("$$base" -V); it takes some two minutes and, this once, the network."; \
	  rm -f .venv/lock.stamp .venv/package.stamp; rm -rf .venv; \
	  "$$base" -m venv .venv; \
	  $(PIP) install -qq -r requirements.lock; \
	  echo "$$lock" > .venv/lock.stamp; \
	fi; \
	package=$$("$$base" -c '$(SHA)' pyproject.toml hatch_build.py); \
	if [ "$$(cat .venv/package.stamp 2>/dev/null)" != "$$package" ]; then \
	  rm -f .venv/package.stamp; \
	  $(PIP) install -qq --no-deps --no-build-isolation -e .; \
	  echo "$$package" > .venv/package.stamp; \
	fi

lock: ## make requirements.lock anew, on the oldest Python: the newest versions that install together
	@$(PYTHON) -c '$(OLDEST)' || { \
	  echo 'make: the lock is made on Python 3.11, so that it holds on all, as in  make PYTHON=python3.11 lock' >&2; exit 1; }
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	echo "Installing into a fresh environment to see which versions come out."; \
	$(PYTHON) -m venv "$$dir/venv"; \
	"$$dir/venv/bin/python" -m pip --disable-pip-version-check install -qq ".[test,sweep]" torch==$(TORCH) hatchling; \
	{ echo "# Made by \`make lock\` on $$($(PYTHON) -V); do not edit. All that \`make\` needs, on Python 3.11 to 3.13:"; \
	  echo "# pip freeze of a fresh environment with ganrepro[test,sweep] and hatchling, less local version labels"; \
	  echo "# and CUDA packages, which pip adds by itself where the build of torch that it finds needs them."; \
	  "$$dir/venv/bin/python" -m pip freeze --exclude ganrepro | sed 's/+[a-z0-9.]*$$//' | grep -Ev '^(nvidia-|cuda-|triton)'; \
	} > "$$dir/lock"; \
	cp "$$dir/lock" requirements.lock; \
	wc -l requirements.lock

# --- the two commands ----------------------------------------------------------------------------------

reproduce: venv ## run the notebooks in order and print the paper's numbers beside ours
	@$(BIN)/ganrepro reproduce $(ARGS)

test: venv ## linters, type checker, tests and notebooks
test-all: venv ## the same and the slow tests
test-all: SLOW = -m ""
check: ## the same as test in .venv as it is, even a stale one

# One pytest for tests, notebooks and the type checker: its last line counts all. One thread a worker, or they fight for
# the cores.
test test-all check:
	$(BIN)/ruff check
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope \
	  --nbval --nbval-current-env --nbval-cell-timeout 120 $(SLOW) $(ARGS)

test-oldest: ## the unit tests at the lower bounds that pyproject.toml declares, in an environment of its own
	@$(PYTHON) -c '$(OLDEST)' || { echo 'make: the bounds are tried on Python 3.11' >&2; exit 1; }
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	$(PYTHON) -m venv "$$dir/venv"; \
	$(PYTHON) -c '$(MINIMA)' > "$$dir/minima"; \
	"$$dir/venv/bin/python" -m pip --disable-pip-version-check install -qq -r "$$dir/minima" -e ".[test]"; \
	OMP_NUM_THREADS=1 "$$dir/venv/bin/python" -m pytest -n 2 --dist loadscope tests --ignore tests/notebooks --ignore tests/project $(ARGS)

test-py: ## make test-py PY=3.12: the unit tests on another Python, from requirements.lock, in an environment of its own
	@[ -n "$(PY)" ] && python$(PY) -c '$(VERSION_OK)' 2>/dev/null || { \
	  echo 'make: name a Python from 3.11 to 3.13 that is here, as in  make test-py PY=3.12; of several under pyenv,' \
	    'as in  PYENV_VERSION=3.12.1 make test-py PY=3.12' >&2; exit 1; }
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	echo "Installing requirements.lock for $$(python$(PY) -V) in $$dir; where torch is a CUDA build, several GB."; \
	python$(PY) -m venv "$$dir/venv"; \
	"$$dir/venv/bin/python" -m pip --disable-pip-version-check install -qq -r requirements.lock; \
	"$$dir/venv/bin/python" -m pip --disable-pip-version-check install -qq --no-deps --no-build-isolation -e .; \
	OMP_NUM_THREADS=1 "$$dir/venv/bin/python" -m pytest -n 2 --dist loadscope tests --ignore tests/notebooks $(ARGS)

test-slurm: venv ## sweeps on a SLURM of one node that the test starts; needs Debian's slurm-wlm and munge
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n0 -m "" --timeout 1500 tests/slurm $(ARGS)

CHROMIUM = chromium chromium-browser google-chrome
test-browser: venv ## every notebook in JupyterLab in Chromium, some ten minutes; its pictures are put into build/browser
	@for name in $(CHROMIUM); do command -v $$name >/dev/null && exit; done; \
	  echo 'make: there is no browser; install Debian'"'"'s chromium, as in  apt-get install chromium' >&2; exit 1
	@[ -d build/playwright/playwright ] || $(PIP) install -qq --target build/playwright playwright
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n0 -m "" --timeout 1500 -o pythonpath=build/playwright tests/browser $(ARGS)

# --- for those who change it ---------------------------------------------------------------------------

notebooks: venv ## execute the notebooks in place, to commit them with fresh outputs
	@$(BIN)/ganrepro notebooks $(ARGS)

records: venv ## train the paper records that are missing (resumes; uses a GPU where there is one)
	@$(BIN)/ganrepro records train $(ARGS)

bench: venv ## measure speed against peers and the limit, some ten minutes, and store it in results/benchmarks
	@$(BIN)/python -m benchmarks

soak: venv ## an hour of quick trainings and notebooks in one process: do memory and open files stay flat?
	@OMP_NUM_THREADS=1 GANREPRO_PROGRESS=0 $(BIN)/python -W ignore -m benchmarks.soak 60

gpu: venv ## measure and try it on a GPU, once; stored in results/benchmarks, to be sent
	@$(BIN)/python -m benchmarks.gpu

SITE = sphinx myst-nb furo jupyter_server_mathjax
site: venv ## the notebooks, pages and interface as a static site in build/site, with search; its links are checked
	@[ -d build/site-packages/furo ] || $(PIP) install -qq --target build/site-packages $(SITE) 2>/dev/null
	PYTHONPATH=build/site-packages $(BIN)/python -m sphinx -q -W --keep-going -c docs/site . build/site
	@$(BIN)/python tools/links.py build/site
	@echo "Open build/site/index.html."

slides: venv ## talks of notebooks 01 and 02 in build/slides, which need no network
	@[ -d build/slides-packages/sphinx_revealjs ] || $(PIP) install -qq --no-deps --target build/slides-packages \
	  sphinx-revealjs jupyter_server_mathjax 2>/dev/null
	@PYTHONPATH=build/slides-packages $(BIN)/python tools/slides.py build/slides

results: venv ## copy finished paper records into results/ and rebuild tables, figures and README from them
	@$(BIN)/ganrepro results $(ARGS)

clean: ## remove caches and build leftovers; .venv and runs/ stay
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find ganrepro notebooks tests benchmarks workflow \( -name __pycache__ -o -name .ipynb_checkpoints \) \
	  -type d -prune -exec rm -rf {} + 2>/dev/null || true
