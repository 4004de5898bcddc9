"""Run by ParaView's pvpython: prints as JSON what ParaView sees in a .hdf.series."""

import json
import sys

from paraview.simple import OpenDataFile

reader = OpenDataFile(sys.argv[1])
reader.UpdatePipelineInformation()
times = list(reader.TimestepValues)
seen = []


def ranges(fields):
    return {name: list(fields[name].GetRange()) for name in fields.keys()}


for time in times:
    reader.UpdatePipeline(time)
    data = reader.GetDataInformation()
    seen.append({
        "time": time,
        "cells": data.GetNumberOfCells(),
        "points": data.GetNumberOfPoints(),
        "bounds": list(data.GetBounds()),
        "nodal": ranges(reader.PointData),
        "cell": ranges(reader.CellData),
    })
print("SEEN " + json.dumps(seen))
