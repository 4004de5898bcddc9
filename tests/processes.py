"""Programs that tests start outside the MPI run they belong to."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
INHERITED = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "PYTHON")


def environment_outside_mpi(**more):
    """The environment without what makes a process part of this MPI run or of this Python."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(INHERITED)}
    return kept | {"PYTHONPATH": str(ROOT)} | more
