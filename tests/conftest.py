"""Fixtures and reporting for tests that run on any number of MPI ranks.

On several ranks every rank runs every test. Rank 0 prints the report, a failure of any rank is
printed at once with its rank, and every rank ends with the worst exit status of all.
"""
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["NUMBA_NUM_THREADS"] = "1"

WORLD = MPI.COMM_WORLD


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Gives each rank a root of its own for tmp_path, and only the first a report.

    pytest tidies the root that all runs of a user share, in which ranks get in each other's way.
    """
    if WORLD.size == 1:
        return
    root = tempfile.mkdtemp(prefix=f"partsim-test-rank-{WORLD.rank}-")
    os.environ["PYTEST_DEBUG_TEMPROOT"] = root
    config.add_cleanup(lambda: shutil.rmtree(root, ignore_errors=True))
    if WORLD.rank > 0:
        sys.stdout = open(os.devnull, "w")


def pytest_collection_modifyitems(items):
    """Skips the tests marked `serial` on several ranks."""
    if WORLD.size == 1:
        return
    skip = pytest.mark.skip(reason="runs on one rank only")
    for item in items:
        if item.get_closest_marker("serial"):
            item.add_marker(skip)


def pytest_runtest_logreport(report):
    """Prints a failure at once: the other ranks may wait for this one until the time limit."""
    if WORLD.size > 1 and report.failed:
        text = f"\nrank {WORLD.rank} failed in {report.nodeid} ({report.when})\n{report.longrepr}\n"
        os.write(2, text.encode())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Every rank ends with the worst exit status of all, after rank 0 has written its report."""
    session.exitstatus = max(WORLD.allgather(int(session.exitstatus)))
    failed = WORLD.allgather(session.testsfailed)
    try:
        yield
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        for rank in range(1, WORLD.size):
            if failed[rank]:
                reporter.write_line(f"rank {rank}: {failed[rank]} failed, printed above", red=True)
    finally:
        WORLD.Barrier()


@pytest.fixture(autouse=True)
def _floating_point_errors_raise():
    """A division by zero, an overflow or a NaN in NumPy is an error in every test."""
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture
def comm():
    """All ranks; no rank starts the next test before every rank has ended this one."""
    yield WORLD
    WORLD.Barrier()


@contextmanager
def shared_directory():
    """An empty directory that every rank sees, removed at the end."""
    made = tempfile.mkdtemp(prefix="partsim-test-") if WORLD.rank == 0 else None
    directory = Path(WORLD.bcast(made))
    try:
        yield directory
        WORLD.Barrier()
    finally:
        if WORLD.rank == 0:
            shutil.rmtree(directory)


@pytest.fixture
def shared_tmp(comm):
    """A shared directory for one test."""
    with shared_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def module_tmp():
    """A shared directory for the tests of one file."""
    with shared_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def session_tmp():
    """A shared directory for all tests."""
    with shared_directory() as directory:
        yield directory
