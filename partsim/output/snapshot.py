"""The fields of one time as a VTKHDF file, and the series that gives the files their times.

VTKHDF 1.0 (https://docs.vtk.org, "VTKHDF file format"), an UnstructuredGrid of hexahedra at their
true sizes. The cells of all ranks form one piece, block after block along the Morton curve, so that
readers return the same grid for any number of ranks; points are shared among the cells of one rank.
Beside the group `VTKHDF`, the group `partsim` holds the table of blocks and a JSON header, which
VTK and ParaView ignore.
"""

import json
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from mpi4py import MPI

from partsim.errors import UserError
from partsim.mesh.forest import morton
from partsim.mesh.view import CORNERS, BlockView
from partsim.output.shared_file import Rows, reserve, runs, write_shared
from partsim.parallel import first_rank_only
from partsim.wholefile import replace_json

HEXAHEDRON = 12
VTK_ORDER = [0, 1, 3, 2, 4, 5, 7, 6]  # corners of a hexahedron, as numbers of CORNERS
SHIFT = np.array([1, 1 << 21, 1 << 42])  # packs a lattice point into one integer
BLOCK_TABLE = ("corner", "stride", "level", "active")


class Piece(NamedTuple):
    """The grid that one rank adds to the file.

    points        (p, 3)  m
    connectivity  (c, 8)  rows of `points`
    chosen        (p,)    where in a raveled (nb, B+1, B+1, B+1) array the points' values are
    active        (nb, B, B, B)  the cells, in this order
    first_cell    (nb+1,) the first of the block's cells, which follow one another [z, y, x]
    """

    points: np.ndarray
    connectivity: np.ndarray
    chosen: np.ndarray
    active: np.ndarray
    first_cell: np.ndarray


class Extent(NamedTuple):
    """Where in the file this rank's rows are, and the rows of all ranks.

    point       its first point
    block       (nb,) its blocks
    first_cell  (nb,) the first cell of each
    total       points, cells, blocks
    """

    point: int
    block: np.ndarray
    first_cell: np.ndarray
    total: tuple[int, int, int]


def write_snapshot(
    comm: MPI.Comm, path: Path, view: BlockView, time: float, header: dict | None = None
) -> None:
    """Writes the active cells of all ranks with all fields of the view; collective.

    header  anything that JSON can hold; pictures use, where given: `layer`; `scanning`, `beam`
            (3,) m and `direction` (2,) of the laser; `solidus` and `liquidus` in K; `part`
            ((3,), (3,)) m, lower and upper corner of the part

    Raises UserError on every rank if the file could not be written; then it is absent.
    """
    piece = make_piece(view)
    extent = _extent(comm, view, len(piece.points))
    about = {**(header or {}), "time": time, "ranks": comm.size, "size": view.size, "h": view.h}
    about["lattice_origin"] = [float(x) for x in view.lattice_origin]

    def create(file: h5py.File) -> None:
        _create_grid(file.create_group("VTKHDF"), view, extent.total)
        table = file.create_group("partsim")
        table["header"] = json.dumps(about)
        blocks = extent.total[2]
        for name in (*BLOCK_TABLE, "first_cell"):
            reserve(table, name, (blocks, 3) if name == "corner" else (blocks,), np.int64)

    write_shared(comm, Path(path), create, _rows(view, piece, extent, comm.rank))


def make_piece(view: BlockView) -> Piece:
    """The active cells of a rank with their points, each lattice point once."""
    b = view.size
    grid = np.arange(b + 1)
    inside = ((grid[:, None, None] << 21) + grid[:, None] << 21) + grid
    used = np.flatnonzero(view.active_nodes)
    key = (view.corner @ SHIFT)[:, None] + view.stride[:, None] * inside.ravel()
    key, first, number = np.unique(key.ravel()[used], return_index=True, return_inverse=True)
    point = np.full(view.active_nodes.shape, -1, np.int32)
    point.ravel()[used] = number
    del number
    active = view.active_cells
    counts = view.active * b * b
    return Piece(
        points=_places(view, key),
        connectivity=_connectivity(point, active, int(counts.sum())),
        chosen=used[first],
        active=active,
        first_cell=np.r_[0, np.cumsum(counts)],
    )


def _places(view: BlockView, key: np.ndarray) -> np.ndarray:
    """(p, 3) m, the places of packed lattice points."""
    points = np.empty((len(key), 3), np.float32)
    for axis in range(3):
        points[:, axis] = view.lattice_origin[axis] + view.h * (key >> 21 * axis & 0x1FFFFF)
    return points


def _connectivity(point: np.ndarray, active: np.ndarray, cells: int) -> np.ndarray:
    """(c, 8) the points of each active cell, from those of each block's nodes."""
    b = active.shape[-1]
    table = np.empty((cells, 8), np.int32)
    for column, (x, y, z) in enumerate(CORNERS[VTK_ORDER]):
        table[:, column] = point[:, z : z + b, y : y + b, x : x + b][active]
    return table


def _extent(comm: MPI.Comm, view: BlockView, points: int) -> Extent:
    """Points of the ranks one after another; blocks, with their cells, along the Morton curve."""
    own = np.column_stack([morton(view.corner // view.size), view.active * view.size**2])
    before = np.r_[0, np.cumsum(comm.allgather(points))]
    table = np.concatenate(comm.allgather(own))
    table = table[np.argsort(table[:, 0])]
    block = np.searchsorted(table[:, 0], own[:, 0])
    cells = np.r_[0, np.cumsum(table[:, 1])]
    total = int(before[-1]), int(cells[-1]), len(table)
    return Extent(int(before[comm.rank]), block, cells[block], total)


def _create_grid(group: h5py.Group, view: BlockView, total: tuple[int, int, int]) -> None:
    """Lays out the VTKHDF group for all ranks."""
    points, cells, _ = total
    number = _number_type(cells)
    group.attrs["Version"] = np.array([1, 0], np.int64)
    group.attrs.create("Type", b"UnstructuredGrid", dtype=h5py.string_dtype("ascii", 16))
    for name, count in ("Points", points), ("Cells", cells), ("ConnectivityIds", 8 * cells):
        group[f"NumberOf{name}"] = np.array([count], np.int64)
    reserve(group, "Points", (points, 3), np.float32)
    reserve(group, "Connectivity", (8 * cells,), number)
    packed = {"chunks": True, "compression": "gzip", "compression_opts": 1, "shuffle": True}
    group.create_dataset("Offsets", data=8 * np.arange(cells + 1, dtype=number), **packed)
    group.create_dataset("Types", data=np.full(cells, HEXAHEDRON, np.uint8), **packed)
    nodal, cellular = group.create_group("PointData"), group.create_group("CellData")
    for name in view.nodes:
        reserve(nodal, name, (points,), np.float64)
    for name in view.cells:
        reserve(cellular, name, (cells,), np.float64)
    reserve(cellular, "level", (cells,), np.uint8)
    reserve(cellular, "rank", (cells,), np.int32)


def _number_type(cells: int) -> type:
    """The smallest integers that count the corners of all cells."""
    return np.int64 if 8 * cells > np.iinfo(np.int32).max else np.int32


def _rows(view: BlockView, piece: Piece, extent: Extent, rank: int) -> Rows:
    """The rows of one rank, one array after another so that few are held at once."""
    numbers = piece.connectivity.astype(_number_type(extent.total[1]))
    numbers += extent.point
    yield "VTKHDF/Points", extent.point, piece.points
    for name, values in view.nodes.items():
        yield f"VTKHDF/PointData/{name}", extent.point, values.ravel()[piece.chosen]
    yield from _cell_rows("VTKHDF/Connectivity", numbers, piece, extent)
    for name, values in view.cells.items():
        yield from _cell_rows(f"VTKHDF/CellData/{name}", values[piece.active], piece, extent)
    level = np.repeat(view.level, view.active * view.size**2)
    yield from _cell_rows("VTKHDF/CellData/level", level, piece, extent)
    yield from _cell_rows("VTKHDF/CellData/rank", np.full(len(level), rank), piece, extent)
    table = {name: getattr(view, name) for name in BLOCK_TABLE} | {"first_cell": extent.first_cell}
    for name, values in table.items():
        for part in runs(extent.block):
            yield f"partsim/{name}", int(extent.block[part.start]), values[part]


def _cell_rows(name: str, values: np.ndarray, piece: Piece, extent: Extent) -> Rows:
    """The values (c, ...) of a rank's cells, for each run of blocks in a row."""
    for part in runs(extent.block):
        own = values[piece.first_cell[part.start] : piece.first_cell[part.stop]]
        yield name, int(extent.first_cell[part.start]) * values[:1].size, own.ravel()


def append_series(
    comm: MPI.Comm, series: Path, file: Path, time: float, keep: int = 0
) -> None:
    """Adds a snapshot to a `.hdf.series`; an entry of the same file is replaced; collective.

    keep  how many of the newest stay; the files of the others are deleted once the series does not
          name them any more; 0 for all

    Raises UserError on every rank if the series cannot be read or written.
    """

    def append() -> None:
        name = Path(file).name
        entries = [entry for entry in read_series(series) if entry["name"] != name]
        entries = sorted([*entries, {"name": name, "time": time}], key=lambda e: e["time"])
        old = entries[:-keep] if keep else []
        _write_series(series, entries[len(old) :])
        for entry in old:
            (Path(series).parent / entry["name"]).unlink(missing_ok=True)

    first_rank_only(comm, append)


def cut_series(comm: MPI.Comm, series: Path, time: float) -> None:
    """Drops the entries later than `time`, that of the checkpoint a run goes on from; collective.

    Raises UserError on every rank if the series cannot be read or written.
    """

    def cut() -> None:
        if Path(series).exists():
            _write_series(series, [e for e in read_series(series) if e["time"] <= time])

    first_rank_only(comm, cut)


def read_series(series: Path) -> list[dict]:
    """The entries {"name", "time"} of a series, none if it does not exist; raises UserError."""
    try:
        entries = json.loads(Path(series).read_text())["files"]
        return [{"name": str(entry["name"]), "time": float(entry["time"])} for entry in entries]
    except FileNotFoundError:
        return []
    except OSError as failure:
        raise UserError(f"cannot read {series}: {failure.strerror}") from failure
    except (ValueError, KeyError, TypeError) as failure:
        raise UserError(f"{series} is no series of snapshots; delete it to begin one") from failure


def _write_series(series: Path, entries: list[dict]) -> None:
    content = {"file-series-version": "1.0", "files": sorted(entries, key=lambda e: e["time"])}
    replace_json(Path(series), content)
