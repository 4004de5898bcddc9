"""Jobs with one mistake each, as changes of the small job, and the lines that tell the mistakes."""
from tests.small_job import REMOVED

MIDDLE = ["0.2 mm", "0.2 mm", "0.1 mm"]
LENGTH = 'a length such as "80 um" or a number in m'

# what is wrong in an otherwise correct job, and the line that tells it
WRONG_ENTRIES = [
    ({"laser.raduis": 6e-5}, "unknown entry laser.raduis; did you mean laser.radius?"),
    ({"laser.hatch": 8e-5}, "unknown entry laser.hatch; did you mean scan.hatch?"),
    ({"laser.colour": "red"}, "unknown entry laser.colour"),
    ({"lasers.power": 180}, "unknown entry lasers; did you mean laser?"),
    ({"laser.radius": REMOVED}, "missing entry laser.radius"),
    ({"laser.radius": REMOVED, "laser.raduis": 6e-5},
     "unknown entry laser.raduis; did you mean laser.radius?"),
    ({"laser.radius": -60e-6}, "laser.radius = -6e-05, but it must be positive"),
    ({"laser.radius": "-60 um"}, 'laser.radius = "-60 um", but it must be positive'),
    ({"laser.radius": "60 um/s"}, f'laser.radius = "60 um/s", but it must be {LENGTH}'),
    ({"laser.radius": "60"}, f'laser.radius = "60", but it must be {LENGTH}'),
    ({"laser.radius": "60 furlongish"}, f'laser.radius = "60 furlongish", but it must be {LENGTH}'),
    ({"laser.radius": "wide"}, f'laser.radius = "wide", but it must be {LENGTH}'),
    ({"laser.radius": True}, f"laser.radius = true, but it must be {LENGTH}"),
    ({"laser.radius": ["60 um"]}, f'laser.radius = ["60 um"], but it must be {LENGTH}'),
    ({"laser.radius": "1e999 m"}, f'laser.radius = "1e999 m", but it must be {LENGTH}, and finite'),
    ({"laser.power": "180 K"},
     'laser.power = "180 K", but it must be a power such as "180 W" or a number in W'),
    ({"phase.largest_substep": "2 s"},
     'phase.largest_substep = "2 s", but it must be at most 1'),
    ({"phase.rest_tolerance": -1e-6},
     "phase.rest_tolerance = -1e-06, but it must be at least 0"),
    ({"laser.speed": "0 mm/s"}, 'laser.speed = "0 mm/s", but it must be positive'),
    ({"layers.temperature": "-300 degC"},
     'layers.temperature = "-300 degC", but it must be positive'),
    ({"layers.temperature": "20 C"},
     'layers.temperature = "20 C", but it must be a temperature such as "20 degC" or a number '
     'in K'),
    ({"part.size": ["1 mm", "1 mm"]},
     'part.size = ["1 mm", "1 mm"], but it must be a longer list'),
    ({"part.size": "1 mm"}, 'part.size = "1 mm", but it must be a list'),
    ({"part.size": ["1 mm", "1 mm", "0 mm"]}, 'part.size[2] = "0 mm", but it must be positive'),
    ({"part.shape": "ball"}, 'part.shape = "ball", but it must be \'box\' or \'surface\''),
    ({"scan.start": "middle"},
     "scan.start[0] = \"middle\", but it must be 'left-front', 'right-front', 'left-back' or "
     "'right-back'"),
    ({"scan.direction": []}, "scan.direction = [], but it must be a list of at least 1"),
    ({"scan.islands": [2, 0]}, "scan.islands[1] = 0, but it must be at least 1"),
    ({"scan.turn_time": -1.0}, "scan.turn_time = -1.0, but it must be at least 0"),
    ({"layers.count": 0}, "layers.count = 0, but it must be at least 1"),
    ({"layers.count": 2.5}, "layers.count = 2.5, but it must be a whole number"),
    ({"layers.count": "4"}, 'layers.count = "4", but it must be a whole number'),
    ({"mesh.block": 5}, "mesh.block = 5, but it must be 4 or 8"),
    ({"mesh.levels": 13}, "mesh.levels = 13, but it must be at most 12"),
    ({"mesh.fine_band": 4}, "mesh.fine_band = 4, but it must be at least 8"),
    ({"mesh.coarsen_tolerance": "1 mm"},
     'mesh.coarsen_tolerance = "1 mm", but it must be a number without unit such as 0.01'),
    ({"losses.radiation": 1}, "losses.radiation = 1, but it must be true or false"),
    ({"material.name": "Ti", "material.file": "a.toml"},
     "material has both name and file, but it must have one of them"),
]

# contradictions between sections
CONTRADICTIONS = [
    ({"laser.radius": "40 um"}, "mesh.cell = 5e-05 m, but it must be at most laser.radius = 4e-05"),
    ({"mesh.cell": "30 um"}, "mesh.cell = 3e-05 m, but it must be layers.thickness"),
    ({"layers.thickness": "0.3 mm"}, "layers.thickness = 0.0003 m, but it must be at most"),
    ({"layers.count": 5}, "layers.count = 5, but it must be at most 4: the part is 0.0002 m high"),
    ({"layers.stop": 9}, "layers.stop = 9, but it must be at most layers.count = 4"),
    ({"layers.start": 4, "layers.stop": 3}, "layers.start = 4, but it must be at most layers."),
    ({"layers.temperature": "1900 K"}, "layers.temperature = 1900 K, but it must be below"),
    ({"final_cooling.plate_temperature": "1900 K"}, "final_cooling.plate_temperature = 1900 K"),
    ({"part.size": ["3 mm", "1 mm", "0.2 mm"]}, "plate.size[0] = 0.0016 m, but it must be at least "
     "0.0038 m, so that the scan path and the powder lie on the plate"),
    ({"mesh.powder_rim": "1 mm"}, "plate.size[0] = 0.0016 m, but it must be at least 0.0024 m"),
    ({"plate.size": ["1.6 mm", "1.7 mm", "0.8 mm"]}, "plate.size[1] = 0.0017 m, but it must be a w"
     "hole number of root blocks of 0.0004 m (mesh.block x mesh.cell x 2^(mesh.levels - 1)), such "
     "as 0.0016 m or 0.002 m"),
    ({"plate.size": ["1.6 mm", "1.6 mm", "0.3 mm"]}, "plate.size[2] = 0.0003 m, but it must be a w"
     "hole number of finest blocks of 0.0002 m (mesh.block x mesh.cell), such as 0.0002 m or 0.0004"
     " m"),
    ({"time.step": "1 ms"}, "time.step = 0.001 s, but it must be below 0.000202 s"),
    ({"time.largest_step": "1 us"}, "time.largest_step = 1e-06 s, but it must be at least"),
    ({"layers.dwell": "15 us"}, "layers.dwell = 1.5e-05 s, but it must be a whole number"),
    ({"layers.dwell": "3 us"}, "layers.dwell = 3e-06 s, but it must be a whole number"),
    ({"scan.hatch": "0.5 mm"}, "scan.hatch = 0.0005 m, but it must be at most 0.0004 m"),
    ({"scan.islands": [1, 8]}, "scan.hatch = 8e-05 m, but it must be at most 5e-05 m, the size of "
     "a field along y"),
    ({"scan.hatch": "80 nm"}, "scan.hatch = 8e-08 m, but it must be at least 6e-07 m"),
    ({"phase.laser_scheme": "off"}, 'phase.laser_scheme = "off", but it must be as phase.cooling_s'
     'cheme, "crank-nicolson", both "off" or none'),
    ({"phase.cooling_scheme": "off"}, 'phase.laser_scheme = "explicit", but it must be as phase.c'),
    ({"output.mid_scan": [2, 7]}, "output.mid_scan = 7, but it must be a layer that is"),
    ({"part.size": ["0.4 m"] * 3, "plate.size": ["0.8 m"] * 3}, "the mesh needs about"),
]
WRONG_PROBES = [
    ([("top", [0, 0, 3e-4])], "probes[0].position[2] = 0.0003 m, but it must be in the"),
    ([("side", [0, -7e-4, 0])], "probes[0].position[1] = -0.0007 m, but it must be"),
    ([("powder", [-5e-4, 0, 1e-4])], "probes[0].position[0] = -0.0005 m, but it must be in the sim"
     "ulated domain, -0.0004 to 0.0008 m along x at that height"),
    ([("a", MIDDLE), ("a", MIDDLE)], 'probes[1].name = "a", but it must be used once'),
    ([("time", MIDDLE)], 'probes[0].name = "time", but it must be another: the first column has'
     " this one"),
    ([("a,b", MIDDLE)], 'probes[0].name = "a,b", but it must be made of letters, digits, blanks'),
]
