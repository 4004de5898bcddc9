"""How far a run is: a bar in a terminal, a plain line now and then elsewhere."""

import sys
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn

INTERVAL = 10.0  # s between plain lines


class Progress:
    """Layer, simulated time, speed and time to finish; only rank 0 prints.

    `with Progress(comm, layers, work) as progress:` and then `progress.update(...)`. Work is any
    measure of cost that grows to `work`, for instance node updates planned.
    """

    def __init__(self, comm, layers: int, work: float, done: float = 0.0) -> None:
        """done: work that was finished before this run was resumed."""
        self.layers, self.work, self.done = layers, work, done
        self._begin = self._last = monotonic()
        self._silent = comm.rank > 0
        self._bar = None
        if not self._silent and sys.stderr.isatty():
            columns = (BarColumn(), TextColumn("{task.percentage:5.1f} %  {task.description}"))
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=work, completed=done)

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, layer: int, time: float, done: float, rate: float) -> None:
        """Shows the state: layer number, simulated s, work done, node updates per second."""
        if self._silent:
            return
        now = monotonic()
        text = self.line(layer, time, rate, self.remaining(now, done))
        if self._bar:
            self._bar.update(self._task, completed=done, description=text)
        elif now - self._last >= INTERVAL:
            self._last = now
            print(f"{100 * done / self.work:5.1f} %  {text}", file=sys.stderr, flush=True)

    def remaining(self, now: float, done: float) -> float | None:
        """Seconds to the end at the mean speed so far; None before any work was done."""
        if done <= self.done:
            return None
        return (now - self._begin) * max(self.work - done, 0.0) / (done - self.done)

    def line(self, layer: int, time: float, rate: float, remaining: float | None) -> str:
        """The state in words."""
        left = "" if remaining is None else f"  {clock(remaining)} left"
        speed = f"{rate / 1e6:.1f} M updates/s"
        return f"layer {layer}/{self.layers}  t = {time:.4f} s  {speed}{left}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
