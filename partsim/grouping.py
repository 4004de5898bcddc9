"""Several layers built as one: a whole part at a fraction of the cost, its scan layer-averaged.

Of n grouped layers the beam walks one, in the time of all: the layer is n times as thick, lines lie
n times as far apart, the beam is n^2 times as slow and the pause n times as long, so that power,
energy per volume and duration stay. Contours keep their lines and are walked n times as slowly.
Cells n times as large are 1/n^3 of the number. What the beam
itself does to a layer is then given by rule, see grouped_scan.py.
"""

from math import ceil

from partsim.job import Job
from partsim.schema import require

PLURAL = {"count": "layers.count", "stop": "layers.stop"}


def grouped(job: Job) -> Job:
    """The job that is computed: layers.group layers as one; the job itself where that is 1."""
    n = job.layers.group
    if n == 1:
        return job
    check_group(job)
    layers, scan, output = job.layers, job.scan, job.output
    sections = {
        "layers": {
            "thickness": n * layers.thickness,
            "count": layers.count // n,
            "dwell": n * layers.dwell,
            "start": (layers.start - 1) // n + 1,
            "stop": layers.stop // n,
        },
        "scan": {
            "hatch": n * scan.hatch,
            "turn_time": n**2 * scan.turn_time,
            "hop_time": n**2 * scan.hop_time,
            "contour": scan.contour
            and scan.contour.model_copy(update={"speed": scan.contour.speed / n}),
        },
        "laser": {"speed": job.laser.speed / n**2},
        "mesh": {"cell": n * job.mesh.cell},
        "losses": {"evaporation": False},
        "output": {
            "every_layers": ceil(output.every_layers / n),
            "checkpoint_layers": ceil(output.checkpoint_layers / n),
            "mid_scan": tuple(sorted({ceil(layer / n) for layer in output.mid_scan})),
        },
    }
    changed = {name: getattr(job, name).model_copy(update=new) for name, new in sections.items()}
    return job.model_copy(update=changed)


def check_group(job: Job) -> None:
    """Raises UserError where the layers do not fill whole groups, or a file has the scan."""
    n, layers = job.layers.group, job.layers
    whole = f"a multiple of layers.group = {n}"
    for name, entry in PLURAL.items():
        value = getattr(layers, name)
        require(value % n == 0, entry, f"{value}", whole)
    require(job.scan.file is None, "layers.group", f"{n}", "1 with scan.file")
    require((layers.start - 1) % n == 0, "layers.start", f"{layers.start}", f"{whole}, plus 1")
