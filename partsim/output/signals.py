"""Signals that ask a run to stop: noted when they come, acted upon when all ranks look."""

import signal
from types import FrameType

from mpi4py import MPI

ASKING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class Signals:
    """`with Signals() as signals:` notes the signals of ASKING instead of dying of them.

    A second SIGINT interrupts at once, as without this. The former handlers return at the end.
    """

    def __init__(self) -> None:
        self.received = 0
        self._former: dict[int, object] = {}

    def __enter__(self) -> "Signals":
        self._former = {number: signal.signal(number, self._note) for number in ASKING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number

    def agreed(self, comm: MPI.Comm) -> str | None:
        """Name of the signal that any rank received, None if none did; collective."""
        number = comm.allreduce(self.received, op=MPI.MAX)
        return signal.Signals(number).name if number else None
