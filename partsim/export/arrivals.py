"""The temperature that the beam meets, layer by layer."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from partsim.errors import UserError
from partsim.export.points import read_table
from partsim.export.tables import write_csv, write_hdf
from partsim.output.arrivals import COLUMNS, NAME
from partsim.wholefile import explained

UNITS = {"layer": "1", "mean": "K", "lowest": "K", "highest": "K", "places": "1"}
MILLI = 1e3


def layers_of(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """name of UNITS -> (n,): of each layer the temperatures before the beam came."""
    layers = np.unique(rows["layer"])
    members = [rows["temperature"][rows["layer"] == layer] for layer in layers]
    columns = {"mean": np.mean, "lowest": np.min, "highest": np.max, "places": len}
    return {"layer": layers.astype(int),
            **{name: np.array([f(values) for values in members]) for name, f in columns.items()}}


def export_arrivals(run: Path, target: Path) -> list[Path]:
    """Writes `target` ending in .csv, .h5 and .png; the files written.

    .csv, .h5  of each layer the mean, the lowest and the highest temperature before the beam came
    .png       those over the layers, and a map of the last layer

    Raises UserError if the run has recorded nothing or the files cannot be written.
    """
    names, values = read_table(run / NAME)
    if tuple(names) != COLUMNS:
        raise UserError(f"{run / NAME} is no table of arrivals")
    if not len(values):
        raise UserError(f"{run / NAME}: the beam has not come to any place yet")
    rows = dict(zip(COLUMNS, values.T))
    table = layers_of(rows)
    csv, hdf, png = files = [target.with_suffix(ending) for ending in (".csv", ".h5", ".png")]
    explained(csv, lambda: write_csv(csv, tuple(UNITS), table, tuple(UNITS)))
    explained(hdf, lambda: write_hdf(hdf, table, UNITS))
    explained(png, lambda: _draw(png, rows, table))
    return files


def _draw(path: Path, rows: dict[str, np.ndarray], table: dict[str, np.ndarray]) -> None:
    last = rows["layer"] == table["layer"][-1]
    with matplotlib.rc_context({"font.size": 8, "savefig.dpi": 200}):
        figure = Figure(figsize=(7.0, 2.8), layout="constrained")
        curve, place = figure.subplots(1, 2)
        curve.fill_between(table["layer"], table["lowest"], table["highest"], alpha=0.3, lw=0)
        curve.plot(table["layer"], table["mean"])
        curve.set(xlabel="layer", ylabel="temperature before the beam comes / K")
        shown = place.scatter(MILLI * rows["x"][last], MILLI * rows["y"][last], marker="s",
                              c=rows["temperature"][last], cmap="inferno")
        place.set(xlabel="x / mm", ylabel="y / mm", aspect="equal",
                  title=f"layer {table['layer'][-1]}")
        figure.colorbar(shown, label="K")
        figure.savefig(path)
