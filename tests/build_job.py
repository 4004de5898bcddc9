"""The job of all tests of ranks, restart and energy: small, and its mesh does all a mesh can do."""

from tests.small_job import job_text

BUILD = {
    "part.size": ["0.8 mm", "0.8 mm", "0.5 mm"],
    "plate.size": ["1.6 mm", "1.6 mm", "0.8 mm"],
    "scan.hatch": "0.4 mm",
    "scan.rotation": "67 deg",
    "scan.turn_time": "0.1 ms",
    "layers.dwell": "2.88 ms",
    "layers.temperature": "750 K",
    "mesh.levels": 3,
    "mesh.powder_rim": "0.2 mm",
    "time.step": "40 us",
    "time.hold_steps": 10,
    "time.steps_per_doubling": 1,
    "final_cooling.duration": "0.1 s",
    "final_cooling.plate_temperature": "400 K",
    "output.every_layers": 4,
    "output.mid_scan": [3, 9],
    "output.checkpoint_layers": 0,
    "output.history_steps": 20,
}
EXPLICIT = {"layers.dwell": "0.4 ms", "final_cooling.duration": 0}
