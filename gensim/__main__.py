"""`gensim VERB ...` and `python -m gensim VERB ...`, alone, under torchrun or under mpirun."""

import contextlib
import os
import sys

from gensim.command import execute
from partsim.errors import Interrupted, UserError

MISTAKE = 2
STOPPED = 3
# threads that wait sleep instead of spinning: 6 times as fast beside other processes on two cores;
# read when torch is loaded
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
RANK_NAMES = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")


def first_rank() -> bool:
    """Whether the launcher, if there is one, calls this process rank 0."""
    return all(os.environ.get(name, "0") == "0" for name in RANK_NAMES)


def main() -> int:
    """The exit status: 0; 2 after a mistake of the user, 3 after a signal, told in one line."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        told = sys.stderr if first_rank() else nowhere
        try:
            with contextlib.redirect_stdout(sys.stdout if first_rank() else nowhere):
                return execute(sys.argv[1:])
        except UserError as problem:
            print(f"gensim: {' '.join(str(problem).split())}", file=told)
            return MISTAKE
        except Interrupted as stop:
            print(f"gensim: {stop}", file=told)
            return STOPPED


if __name__ == "__main__":
    sys.exit(main())
