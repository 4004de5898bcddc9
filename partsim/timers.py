"""Wall seconds of the stages of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Timers:
    """`with timers("thermal"):` adds the wall time of its body to `timers.seconds["thermal"]`.

    A stage inside another one stops the outer one's watch: the seconds of all stages add up to the
    time spent in any of them.
    """

    def __init__(self, seconds: dict[str, float] | None = None) -> None:
        """Continues from `seconds`, those of a run that is resumed."""
        self.seconds: dict[str, float] = dict(seconds or {})
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._credit()
        self._running.append(stage)
        try:
            yield
        finally:
            self._credit()
            self._running.pop()

    def move(self, source: str, target: str, seconds: float) -> None:
        """Books to another stage seconds of one that could not tell them apart."""
        self.seconds[source] = self.seconds.get(source, 0.0) - seconds
        self.seconds[target] = self.seconds.get(target, 0.0) + seconds

    def _credit(self) -> None:
        """Books the time since the last event to the innermost running stage."""
        now = perf_counter()
        if self._running:
            stage = self._running[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    def reduced(self, comm) -> dict[str, float]:
        """Seconds of each stage on the rank where it took longest; collective."""
        longest: dict[str, float] = {}
        for seconds in comm.allgather(self.seconds):
            for stage, value in seconds.items():
                longest[stage] = max(value, longest.get(stage, 0.0))
        return longest
