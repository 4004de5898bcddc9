"""Melting and solidification of cells, for programs that grow grains."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from partsim.errors import UserError
from partsim.export.points import read_table
from partsim.export.tables import write_csv, write_hdf
from partsim.output.shared_file import explained
from partsim.output.solidification import COLUMNS, NAME

UNITS = {"x": "m", "y": "m", "z": "m", "tm": "s", "tl": "s", "cr": "K/s", "gx": "K/m",
         "gy": "K/m", "gz": "K/m"}
EXACA = ("x", "y", "z", "tm", "tl", "cr")


def passages(run: Path) -> dict[str, np.ndarray]:
    """name of UNITS -> (n,): where, when molten and when solid again, cooling rate -dT/dt and
    gradient of the temperature at the liquidus, in the order of time.

    A cell that melts n times has n rows; what is still liquid at the end has none. Raises UserError
    if the run has recorded nothing.
    """
    columns, rows = read_table(run / NAME)
    if tuple(columns) != COLUMNS:
        raise UserError(f"{run / NAME} is no table of solidification")
    events = dict(zip(COLUMNS, rows.T))
    place = np.unique(rows[:, 1:4], axis=0, return_inverse=True)[1].ravel()
    order = np.lexsort((events["time"], place))
    pair = (place[order[1:]] == place[order[:-1]]) & (events["solidifies"][order[1:]] == 1)
    up, down = order[:-1][pair], order[1:][pair]
    by_time = np.argsort(events["time"][down], kind="stable")
    down, up = down[by_time], up[by_time]
    return {
        **{axis: events[axis][down] for axis in "xyz"},
        "tm": events["time"][up], "tl": events["time"][down],
        "cr": events["cooling_rate"][down],
        **{name: events[name][down] for name in ("gx", "gy", "gz")},
    }


def export_solidification(run: Path, target: Path) -> list[Path]:
    """Writes `target` ending in .csv, .h5 and .png; the files written.

    .csv  x,y,z,tm,tl,cr in SI units, the time-temperature history that ExaCA reads
    .h5   the same and the gradient (gx, gy, gz), units as attributes
    .png  gradient over cooling rate, with lines of equal speed of the front

    Raises UserError where `passages` does or the files cannot be written.
    """
    table = passages(run)
    if not len(table["tl"]):
        raise UserError(f"{run / NAME}: no cell has melted and solidified")
    csv, hdf, png = files = [target.with_suffix(ending) for ending in (".csv", ".h5", ".png")]
    explained(csv, lambda: write_csv(csv, EXACA, table, EXACA))
    explained(hdf, lambda: write_hdf(hdf, table, UNITS))
    explained(png, lambda: _draw(png, table))
    return files


def _draw(path: Path, table: dict[str, np.ndarray]) -> None:
    gradient = np.sqrt(table["gx"] ** 2 + table["gy"] ** 2 + table["gz"] ** 2)
    with matplotlib.rc_context({"font.size": 8, "savefig.dpi": 200}):
        figure = Figure(figsize=(3.5, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.scatter(table["cr"], gradient, s=2, linewidths=0)
        ends = np.array([table["cr"].min(), table["cr"].max()])
        for speed in (0.01, 0.1, 1.0):
            axes.plot(ends, ends / speed, "--", color="grey", linewidth=0.7)
            axes.annotate(f"{speed:g} m/s", (ends[1], ends[1] / speed), fontsize=6)
        axes.set(xscale="log", yscale="log", xlabel="cooling rate at the liquidus / (K/s)",
                 ylabel="temperature gradient / (K/m)",
                 ylim=(gradient.min() / 2, gradient.max() * 2))
        figure.savefig(path)
