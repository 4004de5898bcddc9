"""Builds that several files of tests look at, each run once."""

import pytest

from partsim.parallel import world
from tests.build_job import build_job, run_build


@pytest.fixture(scope="session")
def built(session_tmp):
    """The finished build on all ranks; its folder is built.records.folder."""
    return run_build(world(), build_job(), session_tmp / "built")
