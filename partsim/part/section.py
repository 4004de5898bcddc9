"""What a section of the part covers: points, and cells of a grid."""

import numpy as np
import shapely


def covered(section: shapely.MultiPolygon, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bool: which of the points x, y (m, broadcast against each other) lie in a section."""
    return shapely.contains_xy(section, x, y)


def covered_shares(
    section: shapely.MultiPolygon, grown: float, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """(ny, nx) share of each cell's area that lies in a section made wider by `grown` m.

    x, y  (nx+1,), (ny+1,)  m, edges of the cells, rising
    """
    cells = shapely.box(x[:-1], y[:-1, None], x[1:], y[1:, None])
    wide = section.buffer(grown, join_style="mitre")
    return shapely.area(shapely.intersection(cells, wide)) / shapely.area(cells)
