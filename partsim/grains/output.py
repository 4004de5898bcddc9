"""The map of grains as an HDF5 file of ours, and as one for ParaView.

grains.h5, format "partsim grains 1": attributes cell (m), power, absorbed_power (W),
speed (m/s), initial_temperature (K), law, seed, job (text); datasets

    grain        (nz, ny, nx)  number of the grain, z = 0 at the bottom; x along the tracks
    melted       (nz, ny, nx)  whether the cell was ever liquid
    orientations (grains, 4)   unit quaternion, scalar first: sample to crystal coordinates
    nucleus      (grains,)     whether the grain nucleated
    track        (tracks, 6)   layer; track; start x, start y, end x, surface z in m
"""

from pathlib import Path

import h5py
import numpy as np

from partsim.grains.layers import Metal
from partsim.grains.nucleation import NUCLEUS
from partsim.grains.orientations import quaternions
from partsim.wholefile import write_whole

FORMAT = "partsim grains 1"
CONDITIONS = ("power", "absorbed_power", "speed", "initial_temperature")


def orientations_of(metal: Metal) -> np.ndarray:
    """(grains, 4) of every grain that ever had a number."""
    grains = metal.plan.job.grains
    return quaternions(grains.orientations, grains.seed, metal.labels)


def track_table(metal: Metal, length: float) -> np.ndarray:
    """(tracks, 6) as described above."""
    plan, rows = metal.plan, []
    for step in plan.steps():
        place = plan.placement(step.track, length)
        x, y = place.start
        top = plan.rows(step.layer).stop * place.cell
        rows.append([step.layer, step.track, x, y, x - length if place.backward else x + length,
                     top])
    return np.array(rows)


def write_grains(path: Path, metal: Metal, header: dict) -> None:
    """Writes grains.h5, whole or absent; raises UserError."""
    job = metal.plan.job
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}

    def fill(file: h5py.File) -> None:
        file.attrs.update({
            "format": FORMAT, "cell": job.grains.cell, "law": job.grains.law,
            "seed": job.grains.seed, "job": job.text,
            **{name: header[name] for name in CONDITIONS},
        })
        file.create_dataset("grain", data=metal.grain, **packed)
        file.create_dataset("melted", data=metal.melted, **packed)
        file["orientations"] = orientations_of(metal)
        file["nucleus"] = metal.labels >= NUCLEUS
        file["track"] = track_table(metal, header["length"])

    write_whole(path, fill)


def write_vtkhdf(path: Path, metal: Metal, colours: np.ndarray) -> None:
    """Grains, melted and colours as VTKHDF 1.0 ImageData (docs.vtk.org, "VTKHDF file format").

    colours  (grains, 3) in [0, 1]
    """
    packed = {"compression": "gzip", "compression_opts": 1, "chunks": True}

    def fill(file: h5py.File) -> None:
        group = file.create_group("VTKHDF")
        group.attrs["Version"] = np.array([1, 0], np.int64)
        group.attrs.create("Type", b"ImageData", dtype="S9")
        nz, ny, nx = metal.grain.shape
        group.attrs["WholeExtent"] = np.array([0, nx, 0, ny, 0, nz], np.int64)
        group.attrs["Origin"] = np.zeros(3)
        group.attrs["Spacing"] = np.full(3, metal.plan.job.grains.cell)
        group.attrs["Direction"] = np.eye(3).ravel()
        cells = group.create_group("CellData")
        cells.create_dataset("grain", data=metal.grain, **packed)
        cells.create_dataset("melted", data=metal.melted.astype(np.uint8), **packed)
        shades = np.rint(255 * colours).astype(np.uint8)[metal.grain]
        cells.create_dataset("colour", data=shades, **packed)

    write_whole(path, fill)
