"""Volume means of the phases in each powder layer of the part, from a snapshot."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from partsim.errors import UserError
from partsim.export.tables import write_csv, write_hdf
from partsim.job import Inputs
from partsim.output.shared_file import explained
from partsim.output.slices import Snapshot
from partsim.schema import parse_toml, validate

PHASES = ("alpha_stable", "martensite", "beta")
COLUMNS = ("layer", "height", "volume", *PHASES)
UNITS = {"layer": "1", "height": "m", "volume": "m^3"}


def layer_means(snapshot: Path) -> dict[str, np.ndarray]:
    """name of COLUMNS -> (n,) over the layers that hold consolidated cells of the part.

    A cell counts where its centre lies in the part's bounding box and at least half of it is
    consolidated, with its value the mean of its corners: the rule of the run's summary. It adds
    its volume to each layer in proportion to the height that they share. `height` is the layer's
    top. Raises UserError if the file is no snapshot or has no such cells.
    """
    with Snapshot(snapshot) as file:
        if not set(PHASES) <= file.node_fields:
            raise UserError(f"{snapshot} has no phases: the job computed none")
        thickness = layer_thickness(file.header["job"], snapshot)
        centre, edge = cells_of(file)
        low, high = np.array(file.header["part"])
        inside = ((centre > low) & (centre < high)).all(axis=1)
        counted = inside & (file.cell_values("consolidated") >= 0.5)
        if not counted.any():
            raise UserError(f"{snapshot} has no consolidated cells of the part")
        values = {name: file.cell_means(name)[counted] for name in PHASES}
    return binned(centre[counted, 2], edge[counted], values, thickness)


def layer_thickness(job: str, snapshot: Path) -> float:
    """m, from the job's text alone: the files that it names may be elsewhere by now."""
    return validate(Inputs, parse_toml(job, f"job of {snapshot}")).layers.thickness


def binned(
    z: np.ndarray, edge: np.ndarray, values: dict[str, np.ndarray], thickness: float
) -> dict[str, np.ndarray]:
    """The means of cells with centres z (n,) and edges (n,) in m over layers of a thickness."""
    count = int(np.ceil((z + edge / 2).max() / thickness - 1e-6))
    volume, sums = np.zeros(count), {name: np.zeros(count) for name in values}
    for layer in range(count):
        below = np.maximum(z - edge / 2, layer * thickness)
        shared = np.minimum(z + edge / 2, (layer + 1) * thickness) - below
        weight = np.where(shared > 1e-6 * thickness, shared, 0.0) * edge**2
        volume[layer] = weight.sum()
        for name in values:
            sums[name][layer] = (weight * values[name]).sum()
    held = np.flatnonzero(volume)
    means = {name: sums[name][held] / volume[held] for name in values}
    return {"layer": held + 1, "height": (held + 1) * thickness, "volume": volume[held], **means}


def cells_of(file: Snapshot) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) and (n,) m, centres and edges of all active cells in the order of the file."""
    view = file.view
    order = np.argsort(file.first_cell, kind="stable")
    order = order[view.active[order] > 0]
    held = view.active_cells[order]
    edge = np.broadcast_to(view.edge[order][:, None, None, None], held.shape)
    return view.cell_centres()[order][held], edge[held]


def export_layers(snapshot: Path, target: Path) -> list[Path]:
    """Writes `target` ending in .csv, .h5 and .png; the files written.

    Raises UserError where layer_means does or the files cannot be written.
    """
    table = layer_means(snapshot)
    csv, hdf, png = files = [target.with_suffix(ending) for ending in (".csv", ".h5", ".png")]
    heads = [f"{name} [{UNITS.get(name, '1')}]" for name in COLUMNS]
    explained(csv, lambda: write_csv(csv, heads, table, COLUMNS))
    explained(hdf, lambda: write_hdf(hdf, table, UNITS))
    explained(png, lambda: _draw(png, table))
    return files


def _draw(path: Path, table: dict[str, np.ndarray]) -> None:
    names = {"alpha_stable": "stable α", "martensite": "martensite α′", "beta": "β"}
    with matplotlib.rc_context({"font.size": 8, "savefig.dpi": 200}):
        figure = Figure(figsize=(3.5, 3.0), layout="constrained")
        axes = figure.subplots()
        for name in PHASES:
            axes.plot(table[name], 1e3 * table["height"], ".-", label=names[name])
        axes.set(xlabel="mean fraction of a layer", ylabel="height / mm", xlim=(-0.02, 1.02))
        axes.legend()
        figure.savefig(path)
