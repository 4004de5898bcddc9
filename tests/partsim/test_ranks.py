"""Several ranks compute what one does: bit for bit while explicit, else to solver tolerance."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI

from partsim.parallel import world
from tests.build_job import (
    EXPLICIT, assert_close, assert_same_bits, books, build_job, run_build, stored,
)

pytestmark = pytest.mark.skipif(world().size == 1, reason="compares several ranks with one")


def table(build, name):
    """The columns of a table that a build wrote."""
    with open(build.records.folder / name) as file:
        rows = list(csv.DictReader(file))
    return {column: [row[column] for row in rows] for column in rows[0]}


@pytest.fixture(scope="module")
def explicit(module_tmp, tmp_path_factory):
    """The build without implicit steps, on all ranks and on one."""
    job = build_job(EXPLICIT)
    return SimpleNamespace(
        together=run_build(world(), job, module_tmp / "together"),
        alone=run_build(MPI.COMM_SELF, job, tmp_path_factory.mktemp("alone")),
    )


@pytest.fixture(scope="module")
def implicit(built, tmp_path_factory):
    """The whole build, on all ranks and on one."""
    alone = run_build(MPI.COMM_SELF, build_job(), tmp_path_factory.mktemp("alone"))
    return SimpleNamespace(together=built, alone=alone)


def assert_same_energies(together, alone):
    """Sums over the same terms in another order, relative to the enthalpy they are taken from."""
    energies, others = together.energy(), alone.energy()
    for name in others.keys() - {"closing_error"}:
        assert abs(energies[name] - others[name]) <= 1e-13 * together.site.enthalpy(), name


def test_explicit_steps_are_the_same_bits(comm, explicit):
    fields = stored(explicit.together)
    assert_same_bits(fields, stored(explicit.alone))
    assert len(np.unique(fields["level"])) == 3
    for build in (explicit.together, explicit.alone):
        assert build.updates["explicit"] > 0 and build.implicit is None


def test_explicit_steps_count_and_record_the_same(comm, explicit):
    together, alone = books(explicit.together), books(explicit.alone)
    for name in ("layer", "number", "index", "ticks", "steps", "updates", "peak"):
        assert together[name] == alone[name], name
    assert table(explicit.together, "probes.csv") == table(explicit.alone, "probes.csv")
    assert_same_energies(explicit.together, explicit.alone)


def test_implicit_steps_agree_to_solver_tolerance(comm, implicit):
    assert_close(stored(implicit.together), stored(implicit.alone))
    assert_same_energies(implicit.together, implicit.alone)


def test_mesh_grows_the_same(comm, implicit):
    left, right = (table(build, "history.csv") for build in (implicit.together, implicit.alone))
    for column in ("time", "step", "layer", "stage", "cells", "nodes"):
        assert left[column] == right[column], column
    counts, others = books(implicit.together)["counts"], books(implicit.alone)["counts"]
    for name in ("blocks", "cells", "nodes", "blocks_refined", "blocks_coarsened", "transfers"):
        assert counts[name] == others[name], name


def test_probes_agree_to_solver_tolerance(comm, implicit):
    left, right = (table(build, "probes.csv") for build in (implicit.together, implicit.alone))
    assert left["time"] == right["time"]
    for column in left.keys() - {"time"}:
        limit = 1e-7 if column.endswith("temperature") else 1e-9
        values, others = np.array(left[column], float), np.array(right[column], float)
        np.testing.assert_allclose(values, others, rtol=0, atol=limit)
