"""`partsim VERB ...` and `python -m partsim VERB ...`, alone or under mpirun."""

import contextlib
import os
import sys
from typing import Any

# One thread in each rank unless the user says otherwise; libraries look when they are loaded.
for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from partsim import parallel  # noqa: E402
from partsim.command import app, execute  # noqa: E402
from partsim.errors import Interrupted, UserError  # noqa: E402

MISTAKE = 2
STOPPED = 3


def main(program: str = "partsim", verbs: Any = app) -> int:
    """Runs a program of these verbs: the exit status.

    It is 0; 2 after a mistake of the user or 3 after a signal that stopped a run with a checkpoint,
    told by rank 0 in one line. Any other exception ends Python with 1.
    """
    parallel.abort_on_error()
    first = parallel.world().rank == 0
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        try:
            with contextlib.redirect_stdout(sys.stdout if first else nowhere):
                return execute(sys.argv[1:], program, verbs)
        except UserError as problem:
            print(f"{program}: {parallel.one_line(problem)}", file=sys.stderr if first else nowhere)
            return MISTAKE
        except Interrupted as stop:
            print(f"{program}: {stop}", file=sys.stderr if first else nowhere)
            return STOPPED


if __name__ == "__main__":
    sys.exit(main())
