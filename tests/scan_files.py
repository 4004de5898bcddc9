"""Small scan-path files, written here by hand, and what they mean.

Every file but the XYPT one holds the square: three lines of 1 mm at 1 m/s with 200 W in layer 1
(z = 0), with a jump before the third, and one line in layer 2 (z = 0.05 mm).
"""
import io
import struct

import h5py
import numpy as np

GCODE = """; a square
G21 G90
M5
G0 X1 Y2 Z0
M3 S200
N10 G1 X2 Y2 F60000 (first line)
N20 X2 Y3 *17
G0 X1
G1 Y2
G0 Z0.05
G1 X2
M5
"""
ORNL = """Mode\tX(mm)\tY(mm)\tZ(mm)\tPmod\ttParam
1 1 2 0 0 0
0 2 2 0 1 1
0 2 3 0 1 1
1 1 3 0 0 0
0 1 2 0 1 1
1 1 2 0.05 0 0
0 2 2 0.05 1 1
"""
CLI = """$$HEADERSTART
$$ASCII
$$UNITS/0.01
$$VERSION/200
$$HEADEREND
$$GEOMETRYSTART
$$LAYER/0 // the first //
$$POLYLINE/1,2,3,100,200,200,200,200,300
$$HATCHES/1,1,100,300,100,200
$$LAYER/5
$$POLYLINE/1,2,2,100,200,200,200
$$GEOMETRYEND
"""
CSV = """x (mm), y (mm), z (mm), speed (mm/s), power (W)
1, 2, 0, 1000, 200
2, 2, 0, 1000, 200
2, 3, 0, 1000, 0
1, 3, 0, 1000, 200
1, 2, 0, 1000, 0
1, 2, 0.05, 1000, 200
2, 2, 0.05, 1000, 0
"""
SQUARE = np.array([[1, 2, 0], [2, 2, 0], [2, 3, 0], [1, 3, 0], [1, 2, 0]]) * 1e-3
TIMES = np.array([0, 1e-3, 2e-3, 2e-3, 3e-3])
POWER = np.array([200.0, 200, 0, 200])
ABOVE = np.array([[1, 2, 0.05], [2, 2, 0.05]]) * 1e-3


def binary_cli(long=True):
    """The square as binary CLI, in units of 0.01 mm."""
    layer, polyline, hatch = (127, 130, 132) if long else (128, 129, 131)
    number, real = ("i", "f") if long else ("H", "H")

    def command(code, numbers, points):
        head = struct.pack("<H", code)
        counts = struct.pack(f"<{len(numbers)}{number}", *numbers)
        return head + counts + struct.pack(f"<{len(points)}{real}", *points)

    return b"".join([
        b"$$HEADERSTART\n$$BINARY\n$$UNITS/0.01\n$$HEADEREND",
        command(layer, [], [0]),
        command(polyline, [1, 2, 3], [100, 200, 200, 200, 200, 300]),
        command(hatch, [1, 1], [100, 300, 100, 200]),
        command(layer, [], [5]),
        command(polyline, [1, 2, 2], [100, 200, 200, 200]),
    ])


def xypt(layers):
    """An XYPT file of {name: (x, y in mm, power)}, as bytes."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for name, values in layers.items():
            for key, value in zip("XYP", values, strict=True):
                file[f"XYPT/{name}/{key}"] = np.array([value], dtype=float)
    return memory.getvalue()


def sampled_line():
    """Ten samples at rest off, a line of 1 mm at 1 m/s with 200 W (100 samples), off again."""
    x = np.concatenate([np.zeros(10), np.arange(100) * 0.01, np.full(5, 1.0)])
    power = np.concatenate([np.zeros(10), np.full(100, 200.0), np.zeros(5)])
    return x, np.full_like(x, 2.0), power


FILES = {
    "square.gcode": GCODE.encode(), "square.txt": ORNL.encode(), "ascii.cli": CLI.encode(),
    "long.cli": binary_cli(), "short.cli": binary_cli(long=False), "square.csv": CSV.encode(),
}
