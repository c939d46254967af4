# `make run` builds the report, and `make test` runs the tests. Both create .venv first, from
# requirements.lock, when it is missing or out of date.
#
#   make run [EMBER=folder-or-archive [VERSION=2|3]] [PRESET=sample] [CORES=n] [ARGS='...']
#                                  attacks and defences on simulated rows, or with EMBER= on real
#                                  ones: results/report.html
#   make run ROWS=table [LAYOUT=file|VERSION=2|3] [LABEL=column] [ID=column]
#                                  the same on your own feature vectors: docs/corpora.md
#   make audit FEED=table|DEMO=1 [OUT=folder] [LABEL=column] [ID=column] [LAYOUT=file|VERSION=2]
#                                  checks whether these training rows hold a backdoor: docs/audit.md
#   make audit-bench [EMBER=folder]    counts the planted backdoors that the audit finds, and its
#                                  false alarms
#   make slurm [options of run]    the same as make run, on a SLURM cluster: docs/cluster.md
#   make paper [SEEDS=1]           the paper's study at its size: results/paper/report.html;
#                                  with EMBER=folder on a few hundred real rows
#   make benchmark [PRESET=smoke]  many attacks against many defences:
#                                  results/benchmark/leaderboard.md; with EMBER=folder on real rows
#   make realism EMBER=folder      compares the simulated corpus with these real rows
#   make search EMBER=folder PRESET=search    searches for the networks' settings, on clean rows
#   make scaling                   measures memory, time and disk at several sizes: docs/scaling.md
#   make bench [ARGS=growth]       measures speed against its bounds, or one benchmark alone:
#                                  docs/performance.md
#   make fuzz SECONDS_EACH=60      gives damaged files to every file reader: docs/security.md
#   make lint, make check          the linters; the tests and the linters
#   make docs                      builds these documents and the API as a site: build/site
#   make test-slurm                the tests on a SLURM cluster of one node, as root on Debian
#   make test-other-pythons        the unit tests on Python 3.12 and 3.13, where they are installed
#   make test-image                builds the image of envs/Dockerfile and makes the quick run in it:
#                                  with Docker, or as root by debootstrap
#
# ARGS='...' goes to Snakemake, which uses only the last --config and the last --configfile of a
# command. EMBER= and ROWS= become a --config, and PRESET= a --configfile. So ARGS must not hold a
# --config beside EMBER= or ROWS=, nor a --configfile beside PRESET=.

PYTHON ?= python3
CORES ?= all
VERSION ?= 1
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin

# On a machine with GPUs, no more training jobs at a time than there are GPUs.
GPUS := $(shell nvidia-smi -L 2>/dev/null | grep -c '^GPU')

# In a variable of its own, since a comma would end an argument of $(if).
DATASET = --config 'datasets={ember: {path: "$(EMBER)", version: $(VERSION)}}' \
	'grid={datasets: [ember]}'
OWN_ROWS = --config 'datasets={rows: {kind: rows, path: "$(ROWS)", version: $(VERSION), \
	$(if $(LAYOUT),layout: "$(LAYOUT)"$(COMMA)) $(if $(LABEL),label: "$(LABEL)"$(COMMA)) \
	$(if $(ID),id: "$(ID)"$(COMMA)) title: Own rows}}' 'grid={datasets: [rows]}'
COMMA := ,

# Snakemake would take the last one of each and drop ours in silence.
CLASH = $(if $(EMBER)$(ROWS),$(findstring --config ,$(ARGS) ),)$(if $(PRESET),$(findstring --configfile,$(ARGS)),)

# Several presets, separated by blanks: a later one changes what the earlier ones say.
STUDY = $(if $(CLASH),$(error EMBER= and ROWS= are a --config and PRESET= a --configfile, of which \
	Snakemake takes the last alone: leave them out and name all of it in ARGS)) \
	$(if $(and $(EMBER),$(ROWS)),$(error EMBER= and ROWS= at once: name one)) \
	$(if $(PRESET),--configfile $(patsubst %,workflow/presets/%.yaml,$(PRESET) $(OVERLAYS))) \
	$(if $(EMBER),$(DATASET)) $(if $(ROWS),$(OWN_ROWS))

SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) \
	$(if $(filter-out 0,$(GPUS)),--resources gpu=$(GPUS)) \
	$(STUDY)

.PHONY: run audit audit-bench slurm paper benchmark realism search scaling bench test test-slurm test-other-pythons test-image docs fuzz check lint setup lock clean help
.DEFAULT_GOAL := help

help:
	@sed -n '/^#/!q;p' Makefile

run: $(VENV)/.runtime
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(SNAKEMAKE) --quiet rules host $(ARGS)
	@echo "The report is at $(CURDIR)/results/report.html"

# Exit status 2 is make's own for whatever fails: the command's is in what it says.
OUT ?= audit
audit: $(VENV)/.runtime
	$(if $(FEED)$(DEMO),,$(error name the rows: make audit FEED=feed.parquet, or DEMO=1))
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dokunuki audit $(if $(DEMO),--demo,"$(FEED)") --out "$(OUT)" \
		--cores $(CORES) $(if $(filter-out 1,$(VERSION)),--version $(VERSION)) \
		$(if $(LAYOUT),--layout "$(LAYOUT)") $(if $(LABEL),--label "$(LABEL)") \
		$(if $(ID),--id "$(ID)") $(ARGS)

# Planted backdoors and clean feeds, of seeds that no constant of the audit was chosen on. Many hours
# at 6,000 rows; what build/audit-bench.csv has already is not done again. The real rows are the same
# few in each draw: see docs/audit.md.
AUDITED_ROWS ?= 6000
AUDIT_BENCH = OMP_NUM_THREADS=1 $(BIN)/python -m bench.audit --output build/audit-bench.csv
BOTH_DETECTORS = --detectors lightgbm,embernn
PLANTED = badnets,variation-ratio,fgsm-flip,adaptive-flip,adaptive-flip-near,transplant
# A variable, since a comma would end an argument of $(if).
AUDITED_REAL = --corpus "$(EMBER)" --rows 500 --seeds 0-4 $(BOTH_DETECTORS) --working-only --attacks $(PLANTED),none
audit-bench: $(VENV)/.development
	@mkdir -p build
	$(AUDIT_BENCH) --rows $(AUDITED_ROWS) --seeds 5-9 $(BOTH_DETECTORS) --working-only --attacks $(PLANTED) $(ARGS)
	$(AUDIT_BENCH) --rows $(AUDITED_ROWS) --seeds 5-24 $(BOTH_DETECTORS) --attacks none $(ARGS)
	$(if $(EMBER),$(AUDIT_BENCH) $(AUDITED_REAL) $(ARGS))
	@$(AUDIT_BENCH) --summary

slurm: $(VENV)/.slurm
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --profile profiles/default \
		--workflow-profile profiles/slurm $(STUDY) --quiet rules host $(ARGS)
	@echo "The report is at $(CURDIR)/results/report.html"

# Five seeds unless SEEDS=1 asks for the first alone.
paper: PRESET ?= $(if $(EMBER),paper-sample,paper)
paper: OVERLAYS = $(if $(filter 1,$(SEEDS)),paper-first-seed)
paper: $(VENV)/.runtime
	$(if $(filter-out 1,$(SEEDS)),$(error SEEDS=$(SEEDS): only SEEDS=1 is there, the first seed alone; \
		name others in an overlay, grid: {seeds: [...]}))
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(SNAKEMAKE) --quiet rules host $(ARGS) -- paper
	@echo "The page is at $(CURDIR)/results/paper/report.html"

# All attacks against all defences, in the sizes of workflow/presets/benchmark.yaml unless another
# preset is named.
benchmark: PRESET ?= benchmark $(if $(EMBER),benchmark-ember)
benchmark: $(VENV)/.runtime
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(SNAKEMAKE) --quiet rules host $(ARGS) -- benchmark
	@echo "The leaderboard is at $(CURDIR)/results/benchmark/leaderboard.md"

realism: $(VENV)/.runtime
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(SNAKEMAKE) --quiet rules host $(ARGS) -- realism
	@$(BIN)/python -c 'import pandas; print(pandas.read_csv("results/realism/measures.csv").to_string(index=False))'
	@echo "Tables and plots are at $(CURDIR)/results/realism/report.html"

search: $(VENV)/.runtime
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(SNAKEMAKE) $(ARGS) -- search_settings

scaling: $(VENV)/.development
	$(BIN)/python -m bench.scaling $(ARGS)

# One thread unless a benchmark says otherwise, as in the workflow's jobs.
bench: $(VENV)/.development
	@$(MAKE) --no-print-directory build/keras/.installed \
		|| echo "TensorFlow could not be installed: Keras is not measured" >&2
	OMP_NUM_THREADS=1 $(BIN)/python -m bench $(ARGS)

# Keras in an environment of its own, since TensorFlow has versions of its own of what we use.
build/keras/.installed: bench/keras.txt
	rm -rf build/keras && $(PYTHON) -m venv build/keras
	build/keras/bin/pip install --quiet --disable-pip-version-check -r bench/keras.txt
	@touch $@

test: $(VENV)/.development
	$(BIN)/pytest --cov --cov-report=term:skip-covered --cov-fail-under=90 -n auto --dist loadfile $(ARGS)

# On a cluster of one node that it starts on this machine, from Debian's packages, as root.
test-slurm: $(VENV)/.development $(VENV)/.slurm
	$(BIN)/pytest -m slurm tests/slurm $(ARGS)

# PYTHON312= and PYTHON313= name them, if they are not on the PATH.
test-other-pythons:
	.ci/other-pythons $(ARGS)

# What it takes and what it shows is said in the program.
test-image: $(VENV)/.development
	$(BIN)/python -m tests.image.run $(ARGS)

# Each reader of untrusted files is fuzzed for so many seconds; TARGET= names some of them.
SECONDS_EACH ?= 10
TARGET ?= archive detector labels layout maps onnx program release table trigger
fuzz: $(VENV)/.development
	@set -e; for target in $(TARGET); do \
		OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/run.py $$target --seconds $(SECONDS_EACH) $(ARGS); done

# All that .ci/run asks for, the cluster and the other Pythons apart.
check: test lint

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

setup: $(VENV)/.development

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed; say make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.runtime: $(VENV)/bin/pip pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e .
	@touch $@

$(VENV)/.development: $(VENV)/bin/pip pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev,ember]'
	@touch $@ $(VENV)/.runtime

# Warnings, a link that leads nowhere among them, end it.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)
	@echo "The site is at $(CURDIR)/build/site/index.html"

$(VENV)/.docs: $(VENV)/bin/pip pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[docs]'
	@touch $@

$(VENV)/.slurm: $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[slurm]'
	@touch $@

# Resolves the versions anew, in a throw-away environment, and writes them down.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet -e '.[dev,docs,ember,slurm]'
	{ sed -n '/^#/p' requirements.lock; \
	  build/lock/bin/pip freeze --exclude-editable | sed 's/+c[pu][0-9u]*$$//'; } > build/requirements.lock
	mv build/requirements.lock requirements.lock

clean:
	rm -rf results .snakemake
