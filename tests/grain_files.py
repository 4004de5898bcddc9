"""Small files of grains as `partsim grow` writes them, and crops made of them."""

import h5py
import numpy as np
from scipy.spatial import cKDTree

HEAD = {
    "cell": 2e-6, "power": 150.0, "absorbed_power": 75.0, "speed": 0.8,
    "initial_temperature": 300.0, "seed": 1, "job": "[laser]\npower = 150\n",
}


def random_quaternions(count, seed=0):
    """(count, 4) uniform on the rotations."""
    found = np.random.default_rng(seed).normal(size=(count, 4))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def voronoi(shape, count, seed=0):
    """Cells of any dimension: the number of the nearest of `count` random points."""
    points = np.random.default_rng(seed).uniform(0, 1, (count, len(shape))) * shape
    cells = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) + 0.5
    return cKDTree(points).query(cells)[1].astype(np.int32)


def write_grains(path, grain, orientations=None, melted=None, **changes):
    """A grains file; `changes` of its attributes, None leaves one out."""
    if orientations is None:
        orientations = random_quaternions(int(grain.max()) + 1)
    with h5py.File(path, "w") as file:
        for name, value in (HEAD | changes).items():
            if value is not None:
                file.attrs[name] = value
        file["grain"] = grain
        file["orientations"] = orientations
        if melted is not None:
            file["melted"] = melted
    return path
