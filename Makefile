# The commands of this repository; `make` alone lists them.
#   RANKS=4 make run     MPI ranks of run and bench, all cores if not given
#   MPIRUN, PYTHON       taken from the environment like PETSC_DIR, see README.md

RANKS ?= $(shell env -u OMP_NUM_THREADS nproc)
MPIRUN ?= mpirun
BIN := .venv/bin
SETUP := setup.cfg pyproject.toml .ci/setup.sh
SOURCES := $(shell find partsim -name '*.py' -o -name '*.toml')
PYTEST := $(BIN)/python -m pytest --color=$(if $(MAKE_TERMOUT),yes,no)
# a rank that waits for ever ends the tests instead of hanging them
LIMIT := timeout --foreground --kill-after=30 1500

export MPIRUN
# one thread in each rank
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export NUMBA_NUM_THREADS := 1
# Open MPI 4 and 5, ignored by others: root may run it (containers), three ranks fit on two cores,
# and ranks are not bound to cores, which containers refuse
export OMPI_ALLOW_RUN_AS_ROOT := 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM := 1
export OMPI_MCA_rmaps_base_oversubscribe ?= 1
export OMPI_MCA_hwloc_base_binding_policy ?= none
export PRTE_MCA_rmaps_default_mapping_policy ?= :oversubscribe
export PRTE_MCA_hwloc_default_binding_policy ?= none

.PHONY: help setup run test lint bench learn-demo

help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: .venv/compiled ## everything that partsim needs, once: system packages, .venv, petsc4py, kernels

run: .venv/compiled ## build the small cube on all cores and draw it, jobs/cube_small.toml
	$(MPIRUN) -n $(RANKS) $(BIN)/partsim run jobs/cube_small.toml
	$(BIN)/partsim render jobs/cube_small.out

test: .venv/ready-dev .venv/sources ## all tests on 1 and 3 ranks, those of shared meshes also on 2
	$(LIMIT) $(PYTEST) --numprocesses 2 --dist loadfile
	$(LIMIT) $(MPIRUN) -n 2 $(PYTEST) -m pair
	$(LIMIT) $(MPIRUN) -n 3 $(PYTEST)

lint: .venv/ready-dev ## style of the code, settings in setup.cfg
	$(BIN)/flake8 partsim gensim perfmodel tests

bench: .venv/ready-bench .venv/compiled ## measure this machine and every kernel on it, write bench.out/report.md
	$(MPIRUN) -n $(RANKS) $(BIN)/perfmodel machine bench --output bench.out/machine.toml
	$(MPIRUN) -n $(RANKS) $(BIN)/perfmodel kernels jobs/cube.toml --output bench.out
	$(MPIRUN) -n $(RANKS) $(BIN)/perfmodel tracks jobs/track_small.toml --output bench.out
	$(BIN)/perfmodel report bench.out

learn-demo: .venv/ready-learn ## 200 steps of each training, stopped and resumed, then samples: learn-demo.out/
	@bash .ci/learn_demo.sh

.venv/ready: $(SETUP)
	@bash .ci/setup.sh
	@touch $@

.venv/ready-dev: $(SETUP)
	@bash .ci/setup.sh dev
	@touch .venv/ready $@

.venv/ready-bench: $(SETUP)
	@bash .ci/setup.sh bench
	@touch .venv/ready $@

.venv/ready-learn: $(SETUP)
	@bash .ci/setup.sh learn
	@touch .venv/ready $@

# numba's cache does not notice a change in a file that a kernel imports
.venv/sources: .venv/ready $(SOURCES)
	@find partsim -name '*.nb[ic]' -delete
	@touch $@

# compiled once on one rank, so that the ranks of a run read the kernels from numba's cache
.venv/compiled: .venv/sources .ci/warm_up.toml
	@echo "compiling the kernels"
	@rm -rf .venv/warm_up
	@$(BIN)/partsim run .ci/warm_up.toml --output .venv/warm_up >/dev/null
	@touch $@
