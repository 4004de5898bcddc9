"""PNGs of a run, drawn from its snapshots without a screen.

    temperature   in mid-scan and at the end, with the borders of the melt pool
    phases        stable alpha, martensite and beta of the dense material, at the same times
    consolidated  powder and dense metal
    mesh          levels and edges of the cells
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize
from matplotlib.figure import Figure

from partsim.errors import UserError
from partsim.output.panels import (
    MM, NOTHING, POWDER, Scale, aspect, mark_beam, mark_window, melt_borders, panel_points, panels,
    plain_ticks, show, temperature_scale,
)
from partsim.output.slices import Cut, Snapshot, horizontal, vertical
from partsim.output.snapshot import read_series

PHASES = {"alpha_stable": "stable α", "martensite": "martensite α′", "beta": "β"}
COLUMNS = 700  # pixels across a panel
ZOOM = 1.2e-3  # m, width of the window around the melt pool
STYLE = {
    "font.size": 8, "axes.titlesize": 8, "axes.linewidth": 0.6, "savefig.dpi": 200,
    "savefig.bbox": "tight",
}


def render(run: Path, out: Path) -> list[Path]:
    """Draws a run's snapshots into `out` and returns the files written.

    Temperature and phases are drawn for every snapshot taken with the laser on and for the last
    one, all else for the last one. Raises UserError if the folder `run` holds no snapshots or `out`
    cannot be written.
    """
    files = snapshots(Path(run))
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context(STYLE):
            return [path for file in files for path in _render_one(file, out, file == files[-1])]
    except OSError as failure:
        raise UserError(f"cannot write pictures to {out}: {failure.strerror}") from failure


def render_cuts(
    run: Path, out: Path, layers: Sequence[int], planes: Sequence[tuple[int, float]]
) -> list[Path]:
    """Draws temperature and phases of a run's snapshots in planes; the files written.

    layers  of which all snapshots are drawn, none: the last one
    planes  (axis, m) each, none: the upright ones through the middle of the part

    Raises UserError where there is no such snapshot or plane, or `out` cannot be written.
    """
    files = of_layers(Path(run), layers) if layers else snapshots(Path(run))[-1:]
    written = []
    with matplotlib.rc_context(STYLE):
        for file in files:
            with Snapshot(file) as snapshot:
                written.append(Path(out) / f"cuts_{file.stem}.png")
                cuts_figure(snapshot, planes).savefig(written[-1])
    return written


def of_layers(run: Path, layers: Sequence[int]) -> list[Path]:
    """The snapshots of some layers in the order of time; UserError where one has none."""
    of_layer: dict[int, list[Path]] = {}
    for file in snapshots(run):
        with Snapshot(file) as snapshot:
            of_layer.setdefault(snapshot.header.get("layer"), []).append(file)
    for layer in layers:
        if layer not in of_layer:
            known = ", ".join(str(each) for each in of_layer if each)
            raise UserError(f"--layer {layer}, but {run} has snapshots of layers {known} only")
    return [file for layer in sorted(set(layers)) for file in of_layer[layer]]


def snapshots(run: Path) -> list[Path]:
    """The snapshot files of a run in the order of time."""
    series = sorted(run.glob("*.hdf.series"))
    files = [run / entry["name"] for file in series for entry in read_series(file)]
    if not files:
        raise UserError(f"{run} holds no snapshots (no .hdf.series with entries)")
    return files


def _render_one(file: Path, out: Path, last: bool) -> list[Path]:
    written = []
    with Snapshot(file) as snapshot:
        drawings = {}
        if last or snapshot.header.get("scanning"):
            drawings["temperature"] = temperature_figure
            if set(PHASES) <= snapshot.node_fields:
                drawings["phases"] = phase_figure
        if last:
            drawings.update(consolidated=consolidated_figure, mesh=mesh_figure)
        for name, draw in drawings.items():
            written.append(out / f"{name}_{file.stem}.png")
            draw(snapshot).savefig(written[-1])
    return written


def temperature_figure(snapshot: Snapshot) -> Figure:
    """Just below the top, and upright along the beam through the hottest point; both enlarged."""
    header, hot = snapshot.header, snapshot.hottest()
    cuts = [_below_top(snapshot), vertical(snapshot, hot, _direction(header))]
    rows = [[cut, _window(cut, hot)] for cut in cuts]
    images = [[_nodal(snapshot, cut, "temperature") for cut in row] for row in rows]
    scale = temperature_scale(sum(images, []))
    molten = scale.norm.vmax > header.get("solidus", np.inf)
    borders = "\nsolid line: liquidus, dashed: solidus" if molten else ""
    figure, axes = panels(rows, f"Temperature, {_when(header)}{borders}")
    for place, cut, values in zip(axes.flat, sum(rows, []), sum(images, [])):
        image = show(place, cut, values, scale, NOTHING)
        melt_borders(place, cut, values, header)
    for (place, enlarged), (_, window) in zip(axes, rows):
        mark_window(place, window)
        mark_beam(enlarged, window, header)
    plain_ticks(figure.colorbar(image, ax=axes, label=scale.label, aspect=35), scale.norm)
    return figure


def cuts_figure(snapshot: Snapshot, planes: Sequence[tuple[int, float]]) -> Figure:
    """Temperature, and the phases of the dense material, in planes; see `render_cuts`."""
    low, high = _part(snapshot)
    middle = (low + high) / 2
    cuts = [_around_part(snapshot, _plane(snapshot, axis, place))
            for axis, place in planes or ((1, middle[1]), (0, middle[0]))]
    phases = set(PHASES) <= snapshot.node_fields
    rows = [[cut] * (1 + phases * len(PHASES)) for cut in cuts]
    figure, axes = panels(rows, f"Temperature and phases, {_when(snapshot.header)}")
    warm = [_nodal(snapshot, cut, "temperature") for cut in cuts]
    span = Normalize(min(map(np.nanmin, warm)), max(map(np.nanmax, warm)))
    scale = Scale("inferno", span, "temperature / K")
    for place, cut, values in zip(axes[:, 0], cuts, warm):
        image = show(place, cut, values, scale, NOTHING)
    figure.colorbar(image, ax=axes[:, 0], label=scale.label, location="bottom")
    if phases:
        _draw_phases(figure, axes[:, 1:], cuts, snapshot)
    return figure


def phase_figure(snapshot: Snapshot) -> Figure:
    """The phases of the dense material, at half the height of the build and upright through it."""
    cuts = _cuts_of_part(snapshot)
    rows = [[cut] * len(PHASES) for cut in cuts]
    figure, axes = panels(rows, f"Phases, {_when(snapshot.header)}")
    _draw_phases(figure, axes, cuts, snapshot)
    return figure


def _draw_phases(
    figure: Figure, axes: np.ndarray, cuts: Sequence[Cut], snapshot: Snapshot
) -> None:
    """A column of axes (cuts, phases) for each phase of the dense material."""
    images = [_dense_phases(snapshot, cut) for cut in cuts]
    for column, (name, label) in enumerate(PHASES.items()):
        scale = Scale("viridis", Normalize(0, 1), f"fraction of {label}")
        for place, cut, fields in zip(axes[:, column], cuts, images):
            image = show(place, cut, fields[name], scale, POWDER)
        figure.colorbar(image, ax=axes[:, column], label=scale.label, location="bottom")


def consolidated_figure(snapshot: Snapshot) -> Figure:
    """Just below the top and upright through the middle of the part."""
    cuts, when = _standard_cuts(snapshot), _when(snapshot.header)
    figure, axes = panels([[cut] for cut in cuts], f"Consolidated fraction, {when}")
    scale = Scale("cividis", Normalize(0, 1), "consolidated fraction")
    for place, cut in zip(axes.flat, cuts):
        image = show(place, cut, _per_cell(snapshot, cut, "consolidated"), scale, NOTHING)
    figure.colorbar(image, ax=axes, label=scale.label, aspect=35)
    return figure


def mesh_figure(snapshot: Snapshot) -> Figure:
    """Just below the top and upright through the middle of the part."""
    cuts = _standard_cuts(snapshot)
    edge = dict(zip(snapshot.view.level.tolist(), snapshot.view.edge.tolist()))
    levels = sorted(edge)
    colours = ListedColormap(matplotlib.colormaps["YlGnBu"](np.linspace(0.05, 0.6, len(levels))))
    norm = BoundaryNorm([level - 0.5 for level in (*levels, levels[-1] + 1)], colours.N)
    figure, axes = panels([[cut] for cut in cuts], f"Mesh, {_when(snapshot.header)}")
    for place, cut in zip(axes.flat, cuts):
        values = _per_cell(snapshot, cut, "level")
        image = show(place, cut, values, Scale(colours, norm, ""), NOTHING)
        width = min(0.25, 0.1 * panel_points(cut, snapshot.header["h"]))
        lines = LineCollection(MM * snapshot.cell_edges(cut), colors="0.2", linewidths=width)
        place.add_collection(lines, autolim=False)
    bar = figure.colorbar(image, ax=axes, label="level: cell edge / µm", ticks=levels, aspect=35)
    bar.ax.set_yticklabels([f"{level}: {1e6 * edge[level]:.4g}" for level in levels])
    return figure


def _when(header: dict) -> str:
    layer = f"layer {header['layer']}, " if "layer" in header else ""
    return f"{layer}t = {header['time']:.4f} s"


def _direction(header: dict) -> tuple[float, float]:
    """Horizontal direction of the beam, that of x where it rests or is not known."""
    direction = tuple(header.get("direction", (0.0, 0.0)))
    return direction if any(direction) else (1.0, 0.0)


def _below_top(snapshot: Snapshot) -> Cut:
    """Half a finest cell below the highest active cell."""
    return horizontal(snapshot, snapshot.bounds[1][2] - 0.5 * snapshot.header["h"])


def _part(snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner of what is built of the part; of the domain where it is not known."""
    low, high = snapshot.bounds
    if "part" in snapshot.header:
        top = high[2]
        low, high = np.array(snapshot.header["part"], float)
        high[2] = min(high[2], top)
    return low, high


def _standard_cuts(snapshot: Snapshot) -> list[Cut]:
    middle = np.mean(_part(snapshot), axis=0)
    return [_below_top(snapshot), vertical(snapshot, middle, (1.0, 0.0))]


def _cuts_of_part(snapshot: Snapshot) -> list[Cut]:
    """Cuts through the middle of the part, a little larger than the part."""
    middle = np.mean(_part(snapshot), axis=0)
    cuts = horizontal(snapshot, middle[2]), vertical(snapshot, middle, (1.0, 0.0))
    return [_around_part(snapshot, cut) for cut in cuts]


def _around_part(snapshot: Snapshot, cut: Cut) -> Cut:
    """A cut without what is far from the part."""
    low, high = _part(snapshot)
    middle, margin = (low + high) / 2, 0.05 * (high - low)
    (u0, v0), (u1, v1) = cut.place(low - margin), cut.place(high + margin)
    return cut.window(cut.place(middle), (u1 - u0, v1 - v0))


def _plane(snapshot: Snapshot, axis: int, place: float) -> Cut:
    """The cut normal to an axis; UserError where the plane misses the domain."""
    low, high = (corner[axis] for corner in snapshot.bounds)
    if not low <= place <= high:
        raise UserError(f"--cut {'xyz'[axis]}={1e3 * place:g} mm must lie in what was simulated, "
                        f"{1e3 * low:g} to {1e3 * high:g} mm")
    if axis == 2:
        return horizontal(snapshot, place)
    point = np.where(np.arange(3) == axis, place, 0.0)
    return vertical(snapshot, point, (1.0, 0.0) if axis == 1 else (0.0, 1.0))


def _window(cut: Cut, hot: np.ndarray) -> Cut:
    """The surroundings of the hottest point, in the proportions of the cut unless very flat."""
    return cut.window(cut.place(hot), (ZOOM, ZOOM * min(max(aspect(cut), 0.4), 1.0)))


def _nodal(snapshot: Snapshot, cut: Cut, name: str) -> np.ndarray:
    points = cut.points(COLUMNS)
    location = snapshot.view.locate(points)
    return snapshot.at_nodes(location, [name])[name].reshape(points.shape[:2])


def _per_cell(snapshot: Snapshot, cut: Cut, name: str) -> np.ndarray:
    points = cut.points(COLUMNS)
    return snapshot.at_cells(snapshot.view.locate(points), name).reshape(points.shape[:2])


def _dense_phases(snapshot: Snapshot, cut: Cut) -> dict[str, np.ndarray]:
    """The phases on a cut, NaN where less than half is consolidated."""
    points = cut.points(COLUMNS)
    location = snapshot.view.locate(points)
    dense = snapshot.at_cells(location, "consolidated") >= 0.5
    fields = snapshot.at_nodes(location, PHASES)
    return {
        name: np.where(dense, values, np.nan).reshape(points.shape[:2])
        for name, values in fields.items()
    }
