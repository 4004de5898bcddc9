"""Small EBSD maps, written as programs of EDAX and Oxford do."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from tests.grain_files import random_quaternions


def square(columns, rows, step):
    """(n, 2) points in um, row by row."""
    x, y = np.meshgrid(np.arange(columns) * step, np.arange(rows) * step)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def hexagonal(columns, rows, step):
    """(n, 2) points in um; every other row is half a step to the right and a point shorter."""
    height = step * 0.75**0.5
    return np.concatenate([
        np.stack([(np.arange(columns - row % 2) + row % 2 / 2) * step,
                  np.full(columns - row % 2, row * height)], axis=1)
        for row in range(rows)
    ])


def polycrystal(points, count, seed=0):
    """Grain (n,) of each point, and the orientations (count, 4)."""
    seeds = np.random.default_rng(seed).uniform(0, points.max(axis=0), (count, 2))
    return cKDTree(seeds).query(points)[1], random_quaternions(count, seed)


def bunge(quaternions):
    """(n, 3) Bunge angles in rad of quaternions that turn sample into crystal axes."""
    inverse = Rotation.from_quat(quaternions[:, [1, 2, 3, 0]]).inv()
    return inverse.as_euler("ZXZ") % (2 * np.pi)


def write_ang(path, points, quaternions, signal, group="m-3m", hexagons=False):
    """EDAX: signal 0 marks points that are not indexed, as in the map of this kind that we use."""
    step = points[1, 0] - points[0, 0]
    columns = int((points[:, 1] == points[0, 1]).sum())
    head = f"""# TEM_PIXperUM          1.000000
# Phase 1
# MaterialName  \tIron fcc
# Formula     \tFe
# Info \t\t
# Symmetry              {"43" if group == "m-3m" else "62"}
# LatticeConstants      3.660 3.660 3.660  90.000  90.000  90.000
# NumberFamilies        0
#
# GRID: {"HexGrid" if hexagons else "SqrGrid"}
# XSTEP: {step:.6f}
# YSTEP: {np.diff(np.unique(points[:, 1]), append=step)[0]:.6f}
# NCOLS_ODD: {columns}
# NCOLS_EVEN: {columns - hexagons}
# NROWS: {len(np.unique(points[:, 1]))}
#
"""
    table = np.column_stack([
        bunge(quaternions), points, np.full(len(points), 90.0), np.full(len(points), 0.9),
        np.ones(len(points)), signal, np.ones(len(points)),
    ])
    np.savetxt(path, table, "%9.5f %9.5f %9.5f %12.5f %12.5f %6.1f %6.3f %2d %6d %6.3f",
               header=head.rstrip("\n"), comments="")
    return path


def write_ctf(path, points, quaternions, indexed):
    """Oxford: phase 0 marks points that are not indexed."""
    columns = int((points[:, 1] == points[0, 1]).sum())
    step = points[1, 0] - points[0, 0]
    head = f"""Channel Text File
Prj\tsynthetic
Author\t[Unknown]
JobMode\tGrid
XCells\t{columns}
YCells\t{len(points) // columns}
XStep\t{step:.4f}
YStep\t{step:.4f}
AcqE1\t0
AcqE2\t0
AcqE3\t0
Euler angles refer to Sample Coordinate system (CS0)!\tMag\t300\tCoverage\t100\tDevice\t0\tKV\t20
Phases\t1
3.66;3.66;3.66\t90;90;90\tIron fcc\t11\t225\t\t\tsynthetic
Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS"""
    ones = np.ones(len(points))
    table = np.column_stack([
        indexed, points, 8 * ones, 0 * ones, np.degrees(bunge(quaternions)) * indexed[:, None],
        0.5 * ones, 90 * ones, 90 * ones,
    ])
    form = "%d\t%.4f\t%.4f\t%d\t%d\t%.4f\t%.4f\t%.4f\t%.4f\t%d\t%d"
    np.savetxt(path, table, form, header=head, comments="")
    return path
