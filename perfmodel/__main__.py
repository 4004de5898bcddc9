"""`perfmodel VERB ...` and `python -m perfmodel VERB ...`, alone or under mpirun."""

import sys

from partsim.__main__ import main as run_partsim
from perfmodel.command import app


def main() -> int:
    """The exit status: 0, or 2 after a mistake of the user, told by rank 0 in one line."""
    return run_partsim("perfmodel", app)


if __name__ == "__main__":
    sys.exit(main())
