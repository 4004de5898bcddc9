"""`gensim VERB ...` and `python -m gensim VERB ...`."""

import sys

from gensim.command import execute
from partsim.errors import UserError

MISTAKE = 2


def main() -> int:
    """The exit status: 0, or 2 after a mistake of the user, told in one line."""
    try:
        return execute(sys.argv[1:])
    except UserError as problem:
        print(f"gensim: {' '.join(str(problem).split())}", file=sys.stderr)
        return MISTAKE


if __name__ == "__main__":
    sys.exit(main())
