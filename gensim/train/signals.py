"""Signals that ask a run to stop with its state written."""

import signal
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Signals:
    """Notes that one of STOPPING came, inside a `with`; a second one acts as it did before."""

    def __init__(self) -> None:
        self.seen = False

    def __enter__(self) -> "Signals":
        self._former = {number: signal.signal(number, self._note) for number in STOPPING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.seen = True
        signal.signal(number, self._former[number])
