"""Several layers built as one: a whole part at a fraction of the cost, its scan layer-averaged.

A layer that stands for n is n times as thick and is laid at once. The beams go over it n times,
with the pattern and the pause of each single layer in turn, but along every n-th line only and n
times as slowly: power, energy, duration and the rhythm of heating and cooling stay. Of contours
they take an n-th part. Cells n times as large are 1/n^3 of the number. What the beam itself does to
a layer is then given by rule, see grouped_scan.py.
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
            "start": (layers.start - 1) // n + 1,
            "stop": layers.stop // n,
        },
        "scan": {
            "turn_time": n * scan.turn_time,
            "hop_time": n * scan.hop_time,
            "contour": scan.contour
            and scan.contour.model_copy(update={"speed": scan.contour.speed / n}),
        },
        "laser": {"speed": job.laser.speed / n},
        "mesh": {"cell": n * job.mesh.cell},
        "losses": {"evaporation": False},
        "output": {
            "every_layers": ceil(output.every_layers / n),
            "checkpoint_layers": ceil(output.checkpoint_layers / n),
            "mid_scan": tuple(sorted({ceil(layer / n) for layer in output.mid_scan})),
        },
    }
    if job.window:
        of_groups = {ceil(layer / n) for layer in job.window.layers}
        sections["window"] = {"layers": tuple(sorted(of_groups))}
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
