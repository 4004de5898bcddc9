"""Several ranks compute what one does, bit for bit."""

from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI

from partsim.parallel import world
from tests.build_job import (
    EXPLICIT, LAYERS, assert_same_bits, books, build_job, run_build, stored, table,
)

pytestmark = [
    pytest.mark.pair,
    pytest.mark.skipif(world().size == 1, reason="compares several ranks with one"),
]


@pytest.fixture(scope="module")
def explicit(module_tmp, tmp_path_factory):
    """The build without super-steps, on all ranks and on one."""
    job = build_job(EXPLICIT)
    return SimpleNamespace(
        together=run_build(world(), job, module_tmp / "together"),
        alone=run_build(MPI.COMM_SELF, job, tmp_path_factory.mktemp("alone")),
    )


@pytest.fixture(scope="module")
def whole(built, tmp_path_factory):
    """The whole build, on all ranks and on one."""
    alone = run_build(MPI.COMM_SELF, build_job(), tmp_path_factory.mktemp("alone"))
    return SimpleNamespace(together=built, alone=alone)


def energies(build):
    """The account in J, and the enthalpy of the whole mesh; collective."""
    account = build.energy() | {"enthalpy": build.site.enthalpy()}
    return {name: value for name, value in account.items() if name != "closing_error"}


def assert_same_energies(account, other):
    """Sums of the same terms in another order, relative to the enthalpy they are taken from."""
    for name, value in account.items():
        assert abs(value - other[name]) <= 1e-13 * account["enthalpy"], name


def test_explicit_steps_are_the_same_bits(comm, explicit):
    fields = stored(explicit.together)
    assert_same_bits(fields, stored(explicit.alone))
    assert len(np.unique(fields["level"])) == 3
    steps = explicit.together.steps
    assert steps["laser"] > 400 and steps["cooling"] == 10 * LAYERS


def test_explicit_steps_count_and_record_the_same(comm, explicit):
    builds = explicit.together, explicit.alone
    (together, alone), accounts = map(books, builds), [energies(build) for build in builds]
    for name in ("layer", "number", "index", "ticks", "steps", "updates", "peak"):
        assert together[name] == alone[name], name
    left, right = (table(build, "probes.csv") for build in builds)
    assert left == right
    assert_same_energies(*accounts)


def test_super_steps_are_the_same_bits(comm, whole):
    builds = whole.together, whole.alone
    fields, accounts = [stored(build) for build in builds], [energies(build) for build in builds]
    assert_same_bits(*fields)
    assert_same_energies(*accounts)


def test_mesh_grows_the_same(comm, whole):
    left, right = (table(build, "history.csv") for build in (whole.together, whole.alone))
    for column in ("time", "step", "layer", "stage", "cells", "nodes"):
        assert left[column] == right[column], column
    counts, others = books(whole.together)["counts"], books(whole.alone)["counts"]
    for name in ("blocks", "cells", "nodes", "blocks_refined", "blocks_coarsened", "transfers"):
        assert counts[name] == others[name], name


def test_probes_record_the_same(comm, whole):
    assert table(whole.together, "probes.csv") == table(whole.alone, "probes.csv")
