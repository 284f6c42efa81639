# The way of the data. Make supplies edges only: each stage knows whether its work is done and refuses
# a result of another configuration. Training never depends on source files.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo yes)
PRESET ?= $(if $(GPU),paper,laptop)
SOURCE ?= embedded
RUN ?=
SHARED ?= ../shared
PYTHON ?= python3
PY := .venv/bin/python
# Without RUN the run is named after its preset and source (repro/run.py).
OF_RUN = --preset $(PRESET) --source $(SOURCE) $(if $(RUN),--run $(RUN)) --shared $(SHARED)
SEEDS ?= 1
# Calculations: CHGNet, POTENTIAL=sevennet, or pw.x with DFT=1 PSEUDO_DIR=folder; PW is how pw.x is started, PARSL a
# configuration.
CALCULATIONS = $(if $(POTENTIAL),--potential $(POTENTIAL)) \
	$(if $(DFT),--dft $(if $(PSEUDO_DIR),--pseudo-dir '$(PSEUDO_DIR)') $(if $(PW),--pw '$(PW)')) \
	$(if $(WORKERS),--workers $(WORKERS)) $(if $(PARSL),--parsl '$(PARSL)')
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH_CPU = $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# matminer 0.10.1 asks for pandas below 3, with which the rest does not run; it runs with pandas 3.
MATMINER = matminer==0.10.1
EXTRAS = scale docs optimade surrogate sevennet dft

EXPERIMENTS = table1 table2 table3 table4 table5 table6 figure2 figure3 figure4 figure5 figure6 figure7 \
	novelty discovery calibration slices surrogate-error known-crystals perov5 matbench seeds published-trainings \
	deviations report publish-report
STAGES = data voxelize train-unet train-vae generator graphs train-cgcnn properties evaluate-properties evaluate \
	generate publish publish-generator

.PHONY: help setup reproduce smoke test test-fast test-nightly nightly lint lock audit newest verify docs \
	$(STAGES) tables figures $(EXPERIMENTS) released bench embedded-data surrogate sevennet matminer perov5-networks clean

help:  ## this list
	@echo "make TARGET [PRESET=smoke|laptop|improved|full|dfc|perov5|perov5-paper|paper] [SOURCE=embedded|bases|materials-project|optimade[:URL]|PATH]   (here: PRESET=$(PRESET), SOURCE=$(SOURCE))"
	@sed -n 's/^\([a-z0-9-]*\):.*##  *\(.*\)/  \1|\2/p' Makefile | column -t -s '|'

setup: .venv/ready  ## virtual environment in .venv with the locked versions (first time some minutes, 3 GB)

# Refuses a Python that setup.cfg does not allow, before pip complains about some package instead.
CHECK_PYTHON = import re, sys; \
	asked = re.search('python_requires.*', open('setup.cfg').read()).group(); \
	low, end = [tuple(map(int, version)) for version in re.findall(r'(\d+)\.(\d+)', asked)]; \
	sys.exit(None if low <= sys.version_info[:2] < end else \
		'%s is Python %d.%d, but Python %d.%d to %d.%d is needed: $(if $(wildcard $(PY)),rm -r .venv; )$\
		make setup PYTHON=/path/to/another/python' % ( \
		(sys.executable,) + tuple(sys.version_info[:2]) + low + (end[0], end[1] - 1)))

.venv/ready: requirements.lock setup.cfg
	@$(or $(wildcard $(PY)),$(PYTHON)) -c "$(CHECK_PYTHON)"
	@echo "Setting up .venv with the versions of requirements.lock ..."
	test -x .venv/bin/pip || $(PYTHON) -m venv --clear .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(if $(GPU),$(PY) -m pip install --quiet --disable-pip-version-check 'tensorflow[and-cuda]==2.21.*')
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

reproduce: setup  ## the whole way on PRESET and SOURCE, to the report (laptop 15 to 45 min on 2 cores; paper needs a GPU)
	@$(PY) -m repro announce $(OF_RUN) $(if $(GPU),--gpu)
	@$(MAKE) --no-print-directory report PRESET=$(PRESET) SOURCE=$(SOURCE) RUN=$(RUN) SHARED=$(SHARED)

smoke: setup  ## the whole way at 16^3 on a few dozen crystals, two stages at a time (under 3 min)
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target reproduce PRESET=smoke SOURCE=$(SOURCE)

# Two processes, a file of tests at a time, the slow ones first (tests/conftest.py).
PYTEST = $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: setup  ## the tests (about 15 min on 2 cores)
	$(PYTEST)

test-fast: setup  ## the tests without the slow ones (under a minute)
	$(PYTEST) -m "not slow and not nightly"

test-nightly: setup  ## the tests that repeat at length, or skip without an extra such as .[scale]
	$(PY) -m pytest -m nightly

nightly: setup  ## the same, and every property test on 10,000 inputs; kills, full disks, determinism (about half an hour on 2 cores)
	$(PY) -m pytest -n 2 --dist worksteal -m "nightly or hypothesis" --hypothesis-profile=nightly

lint: setup  ## ruff
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

# Tools that are no part of the project's own environment.
.venv-tools/ready:
	test -x .venv-tools/bin/python || $(PYTHON) -m venv .venv-tools
	.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check uv pip-audit
	touch $@

lock: .venv-tools/ready  ## requirements.lock anew from setup.cfg, with hashes; keeps versions that fit (UPGRADE=1: takes the newest)
	.venv-tools/bin/uv pip compile setup.cfg --extra test --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --quiet $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	for extra in $(EXTRAS); do \
		.venv-tools/bin/uv pip compile setup.cfg --extra $$extra --universal --python-version 3.11 \
			--constraints requirements.lock --quiet --output-file /dev/null || exit 1; done

audit: .venv-tools/ready  ## the locked versions among known vulnerabilities (asks pypi.org; what it cannot look up is an error)
	.venv-tools/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock $(ACCEPTED)

# What setup.cfg asks for: $(call asked,SECTION,KEY)
asked = .venv-tools/bin/python -c "import configparser as c; s = c.ConfigParser(); s.read('setup.cfg'); print(s['$(1)']['$(2)'])"

newest: .venv-tools/ready  ## the fast tests on the newest versions of all packages, in .venv-newest (for a weekly run)
	.venv-tools/bin/uv venv --quiet --clear --python $(PYTHON) .venv-newest
	.venv-tools/bin/uv pip install --quiet --python .venv-newest/bin/python \
		$$({ $(call asked,options,install_requires); $(call asked,options.extras_require,test); } | sed 's/[<>=].*//')
	.venv-tools/bin/uv pip list --python .venv-newest/bin/python
	.venv-newest/bin/python -m pytest -n 2 --dist loadfile -m "not slow and not nightly"

verify: setup  ## the headline numbers measured again from the published weights (under 5 min on 2 cores; QUICK=1: a minute)
	@$(PY) -m repro verify $(if $(QUICK),--quick)

docs: .venv-tools/ready  ## the pages and docstrings as a site, links checked: build/docs/index.html
	.venv-tools/bin/uv pip install --quiet --python .venv-tools/bin/python $$($(call asked,options.extras_require,docs))
	NO_MKDOCS_2_WARNING=1 .venv-tools/bin/python -m mkdocs build --strict --config-file docs/mkdocs.yml
	@echo "build/docs/index.html; to search as well: $(PYTHON) -m http.server --directory build/docs"

# Each stage reads what its prerequisites left; OPTIONS_name is what can be asked of that one alone.
OPTIONS_voxelize = $(if $(SCHEDULER),--scheduler $(SCHEDULER))
OPTIONS_graphs = $(OPTIONS_voxelize)
$(STAGES):
	@$(PY) -m repro $@ $(OF_RUN) $(OPTIONS_$@)

data: setup  ## 1. crystals of SOURCE, quarantined and split (seconds)
voxelize: data  ## 2. density and species maps in NPZ shards (under a minute; SCHEDULER=tcp://host:8786 on a Dask cluster)
train-unet: voxelize  ## 3. the UNet (laptop 6 min; paper needs a GPU)
train-vae: train-unet  ## 4. the Cond-DFC-VAE (laptop 18 min; paper needs a GPU)
generator: train-unet train-vae  ## 5. both, and what the training crystals teach, in runs/RUN/generator (under a minute)
graphs: setup  ## 6. crystal graphs and labels of every kind of crystal in SOURCE (seconds; 45,000 crystals 2 min)
train-cgcnn: graphs  ## 7. the CGCNN on each property with labels (laptop 5 min; 45,000 crystals an hour and a half)
properties: train-cgcnn  ## 8. the property networks in runs/RUN/properties (seconds)
evaluate-properties: properties  ## 9. the property networks on the held-out crystals (seconds to minutes)
evaluate: generator  ## 10. VAE and UNet on the held-out crystals (laptop 6 min)
generate: generator properties  ## 11. new crystals around bases and at random: CIFs, CSV (laptop 2 min)
tables: table1 table2 table4 table6  ## every table that needs no training of its own: 1, 2, 4, 6
figures: figure2 figure3 figure4 figure5 figure6 figure7 novelty calibration slices  ## every figure: 2 to 7, novelty, calibration, slices

OPTIONS_table3 = $(CALCULATIONS)
OPTIONS_table4 = $(if $(GENERAL),--general $(GENERAL))
OPTIONS_table5 = --seeds $(SEEDS) $(if $(PUBLISH),--publish)
OPTIONS_discovery = $(CALCULATIONS)
OPTIONS_surrogate-error = $(CALCULATIONS)
OPTIONS_known-crystals = $(CALCULATIONS)
OPTIONS_matbench = $(if $(DATA),--data '$(DATA)')
OPTIONS_published-trainings = $(if $(PUBLISH),--publish)
PEROV5 = perov5 perov5-paper
OPTIONS_perov5 = $(if $(TEST),--test '$(TEST)') $(if $(PUBLISH),--publish) \
	$(if $(GENERATOR)$(TEST),$(if $(GENERATOR),--generator $(GENERATOR)),--generator $(PEROV5:%=runs/%/generator))
OPTIONS_seeds = --seeds $(SEEDS) $(if $(SAMPLES),--samples $(SAMPLES)) $(if $(AROUND),--around $(AROUND)) \
	$(if $(TRAIN),--train $(TRAIN)) $(if $(GENERATOR),--generator $(GENERATOR)) $(if $(PUBLISH),--publish)
$(EXPERIMENTS):
	@$(PY) -m experiments $@ $(OF_RUN) $(OPTIONS_$@)

table1: evaluate-properties  ## Table 1: eight properties on the held-out crystals of SOURCE
table2: generate  ## Table 2: samples around base compounds through the paper's filters, and what is left (Table S1)
table3: table2  ## Table 3: those candidates relaxed with CHGNet (DFT=1 PSEUDO_DIR=folder: with pw.x); first: make surrogate
table4: generate  ## Table 4: candidates that were known but not trained on; GENERAL=source: other polymorphs (minutes)
table5: setup  ## Table 5: three ablations of PRESET on SOURCE, SEEDS=3 times, PUBLISH=1: for other reports (each seed: 2 UNets, 3 VAEs, evaluations)
table6: setup  ## Table 6: the code's hyperparameters beside the paper's
figure2: generator  ## Figure 2: latent dimensions, interpolations, the A-site along a path (minutes)
figure3: generator  ## Figure 3: t-SNE of the encoded training structures (5,000: 2 min)
figure4: evaluate  ## Figure 4: errors of lattice and sites on the held-out crystals
figure5: evaluate-properties  ## Figure 5: predicted against true properties
figure6: generate  ## Figure 6: validity, types, energies and elements of random samples
figure7: generate  ## Figure 7: generated crystals of each family
novelty: generate  ## uniqueness, novelty, symmetry and density of the generated crystals (13,000 samples 10 min)
discovery: generate  ## stable, unique and new samples of each way, as predicted and relaxed with CHGNet (240 relaxations, half an hour; first: make surrogate)
calibration: evaluate-properties  ## the spread of the formation-energy networks against their error
slices: generator  ## true and reconstructed density maps of a few held-out crystals
surrogate-error: setup  ## CHGNet, or POTENTIAL=sevennet, on 200 real crystals of SOURCE against their DFT cells and labels (first: make surrogate; not with DFT=1)
known-crystals: setup  ## NaCl, MgO and NiAl relaxed beside the literature (DFT=1 PSEUDO_DIR=folder: with pw.x)
matbench: setup  ## five tasks of Matbench v0.1 on its own folds, from files that you have (DATA=folder; hours)
perov5: PRESET = perov5
perov5: SOURCE = $(or $(DATA),embedded)
perov5: RUN = perov5
perov5: matminer $(if $(DATA),perov5-networks)  ## CDVAE's benchmark Perov-5, beside the rivals: DATA=table trains both VAEs and measures the tenth held out; TEST=table: what comes with the project, or GENERATOR=folder (hours)
perov5-networks: setup  ## the trainings of perov5 alone, on DATA=table (1 h 40 min and an hour on 2 cores)
	@for preset in $(PEROV5); do \
		$(MAKE) --no-print-directory generator PRESET=$$preset SOURCE='$(DATA)' RUN=$$preset; done
published-trainings: setup  ## how the networks that come with the project were trained: machine, samples, time, energy, losses; PUBLISH=1: for other reports (seconds)
seeds: SEEDS = 3
seeds: generator evaluate-properties  ## headline numbers over SEEDS=3 seeds of sampling, and TRAIN=3 trainings of the property networks (minutes; each further training up to an hour)
deviations: setup  ## docs/deviations.md: every choice that differs from the paper's
report: evaluate generate tables figures  ## 12. results/RUN/report.html and report.md

publish: table1 figure5 calibration  ## this run's property networks to weights/cgcnn, its numbers to results/published
publish-report: report  ## a run's report, its numbers, figures and crystals to results/published
publish-generator: $(if $(filter $(PRESET),$(PEROV5)),generator,evaluate generate)  ## a run's VAE and UNet to weights/generator, their numbers to results/published (PRESET=perov5: to weights/perov5 alone)
surrogate: setup  ## CHGNet, quacc and Parsl into .venv, for Table 3 and for relaxing crystals (1 GB)
	$(PY) -m pip install --quiet --disable-pip-version-check $(TORCH_CPU) --editable '.[surrogate]'
sevennet: surrogate  ## SevenNet beside it, another potential (POTENTIAL=sevennet; 300 MB)
	$(PY) -m pip install --quiet --disable-pip-version-check $(TORCH_CPU) --editable '.[sevennet]'
matminer: setup  ## matminer into .venv, for the fingerprints of perov5; without the older pandas that it asks for
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps $(MATMINER)
released: setup  ## the authors' weights in our networks, against their oracle (SHARED=folder; 5 min)
	$(PY) -m repro.released --shared $(SHARED)
bench: setup  ## speed, memory and sizes beside slower ways and the last published run (4 min; SCALE=100000: many structures)
	$(PY) -m repro.bench --json results/bench.json --against results/published/bench.json $(if $(SCALE),--scale $(SCALE))
embedded-data:  ## compute the embedded crystals anew with CHGNet (extra environment; about an hour)
	test -x .venv-embedded/bin/python || $(PYTHON) -m venv .venv-embedded
	.venv-embedded/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded-data]'
	.venv-embedded/bin/python -m data_prep.embedded
clean:  ## remove runs/ and the rendered results (keeps .venv and what is committed)
	rm -rf runs
	git clean -fdXq results
