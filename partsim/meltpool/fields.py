"""Temperature and flow of a pool at one time, both halves, as a file for ParaView."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from partsim.meltpool.track import TrackRun, box_around
from partsim.output.shared_file import explained, partial_of


@dataclass(frozen=True)
class PoolFields:
    """Cells around a pool.

    corner       (3,)              m, x y z of the first cell's lower corner   edge  m
    time         s
    temperature  (nz, ny, nx)      K
    velocity     (nz, ny, nx, 3)   m/s, components x y z at the cells
    """

    corner: tuple[float, float, float]
    edge: float
    time: float
    temperature: np.ndarray
    velocity: np.ndarray


def pool_fields(run: TrackRun) -> PoolFields | None:
    """What is around the pool now, None without a pool; collective."""
    block = run.block
    extent = block.extent(run.alloy.solidus)
    if extent is None:
        return None
    box = run.box or box_around(block, extent)
    temperature = block.gathered(block.temperature, box)
    velocity = np.zeros((*box.cells, 3)) if run.flow is None else run.flow.at_cells()
    mirrored = velocity[:, ::-1] * [1.0, -1.0, 1.0]
    nz, ny, _ = box.cells
    h = block.edge
    return PoolFields(
        (h * box.first, -h * ny, -h * nz), h, run.time,
        np.concatenate([temperature[:, ::-1], temperature], axis=1),
        np.concatenate([mirrored, velocity], axis=1),
    )


def write_vtkhdf(path: Path, fields: PoolFields) -> None:
    """The fields as VTKHDF 1.0 ImageData (https://docs.vtk.org, "VTKHDF file format").

    Raises UserError if the file could not be written; then it is absent.
    """
    partial = partial_of(path)

    def fill() -> None:
        with h5py.File(partial, "w") as file:
            group = file.create_group("VTKHDF")
            group.attrs["Version"] = np.array([1, 0], np.int64)
            group.attrs.create("Type", b"ImageData", dtype="S9")
            nz, ny, nx = fields.temperature.shape
            group.attrs["WholeExtent"] = np.array([0, nx, 0, ny, 0, nz], np.int64)
            group.attrs["Origin"] = np.array(fields.corner)
            group.attrs["Spacing"] = np.full(3, fields.edge)
            group.attrs["Direction"] = np.eye(3).ravel()
            cells = group.create_group("CellData")
            cells["temperature"] = fields.temperature.astype(np.float32)
            cells["velocity"] = fields.velocity.astype(np.float32)
        partial.replace(path)

    explained(path, fill)
