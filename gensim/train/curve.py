"""The curve of a training run, as CSV and as a picture; its progress in a terminal."""

import csv
import io
import sys
from pathlib import Path
from time import monotonic

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn

LOSSES = ("train", "validation", "held_out_case", "held_out_run")
COLUMNS = ("images", "learning_rate", *LOSSES, "images_per_second")
INTERVAL = 10.0  # s between plain lines


def write_table(rows: list[dict[str, float]], folder: Path) -> None:
    """Writes curve.csv; the loss of a part without crops stays empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    (folder / "curve.csv").write_text(text.getvalue(), encoding="utf-8")


def draw_curve(rows: list[dict[str, float]], folder: Path) -> None:
    """Writes curve.png: losses against images."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name in LOSSES:
        points = [(row["images"], row[name]) for row in rows if row.get(name) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=name.replace("_", " "))
    axes.set(xlabel="images", ylabel="loss", yscale="log")
    axes.legend()
    figure.savefig(folder / "curve.png", dpi=120)


class Progress:
    """Images done, speed, loss and time to finish; a bar in a terminal, else a line now and then.

    `with Progress(images, done, first) as progress:` and then `progress.update(done, loss)`.
    """

    def __init__(self, images: int, done: int, first: bool) -> None:
        """first: whether this is rank 0, which alone prints."""
        self.images, self.begun, self.first = images, done, first
        self.start = self.last = monotonic()
        self.bar = None
        if first and sys.stderr.isatty():
            columns = (BarColumn(), TextColumn("{task.percentage:5.1f} %  {task.description}"))
            self.bar = Bar(*columns, console=Console(stderr=True))
            self.task = self.bar.add_task("", total=images, completed=done)

    def __enter__(self) -> "Progress":
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()

    def rate(self, done: int) -> float:
        """Images per second since this process began."""
        return (done - self.begun) / max(monotonic() - self.start, 1e-9)

    def update(self, done: int, loss: float) -> None:
        """Shows that `done` images are done and the loss of late."""
        if not self.first:
            return
        rate, now = self.rate(done), monotonic()
        left = clock((self.images - done) / max(rate, 1e-9))
        text = f"{done}/{self.images} images  {rate:.1f}/s  loss {loss:.4f}  {left} left"
        if self.bar:
            self.bar.update(self.task, completed=done, description=text)
        elif now - self.last >= INTERVAL:
            self.last = now
            print(f"{100 * done / self.images:5.1f} %  {text}", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
