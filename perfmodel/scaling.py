"""Strong and weak scaling of a job's layers, and what the model of predict.py makes of it."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from partsim import dealing
from partsim.build import Build
from partsim.errors import UserError
from partsim.job import Job
from partsim.jobcheck import largest_ratio
from partsim.mesh.mesh import Grid
from partsim.mesh.partition import cut
from partsim.part import shape
from partsim.program import layer_stretch
from perfmodel.layouts import before_layer
from perfmodel.messages import SMALLEST, ping_pongs
from perfmodel.predict import Costs, Layout, Link, Partition, predicted_seconds
from perfmodel.stream import on_ranks

SCHEMES = ("one rate", "multirate")
STAGES = ("thermal", "phase", "halo")
WARM_UP = 4  # macro steps
ONE_RATE = 4  # times fewer steps of it are timed


class Question(NamedTuple):
    """What is measured, and for which rank counts it is predicted.

    layers  which are scanned           ranks  counts to measure, rising
    steps   base steps that are timed   more   counts to predict
    link    of ranks on other nodes, None: like that between ranks of this node
    """

    layers: tuple[int, ...]
    ranks: tuple[int, ...]
    steps: int
    more: tuple[int, ...]
    link: Link | None


class Dealt(NamedTuple):
    """How a multirate run deals the blocks of a grid to ranks at step `index` of a scan.

    scan, laser  the scan's parts and base steps
    """

    scan: list[dealing.Part]
    grid: Grid
    laser: int
    index: int

    def owner(self, work: np.ndarray, ranks: int) -> np.ndarray:
        """(n,) rank of each block on so many ranks; work (n,) of an update."""
        parts = dealing.stretch_parts(self.scan, self.grid, self.laser, ranks)
        return dealing.at(parts, self.index).owner(work, ranks)


def measure_scaling(comm: MPI.Comm, job: Job, asked: Question) -> dict[str, Any]:
    """Strong scaling, the model's error where both are known, and its predictions; collective.

    Only ranks that take part are busy; one rank is measured in any case.
    """
    link = measured_link(comm)
    rows, predictions = [], []
    for layer in asked.layers:
        measured = {}
        for ranks in sorted({1, *asked.ranks}):
            measured[ranks] = on_ranks(
                comm, range(ranks), lambda those: time_layer(those, job, layer, asked.steps))
        layout = Layout(measured[1].pop("work"), measured[1].pop("levels").astype(int))
        rows += [{"layer": layer, "ranks": ranks, "scheme": scheme} | found[scheme]
                 for ranks, found in measured.items() for scheme in SCHEMES]
        dealt = measured[1].pop("dealt")
        for scheme in SCHEMES:
            costs = Costs.fitted(layout, measured[1][scheme]["seconds_per_step"],
                                 measured[1]["one rate"]["seconds_per_step"], scheme == "multirate")
            for ranks in sorted({*measured, *asked.more}):
                owner = (dealt.owner if costs.multirate else cut)(layout.work, ranks)
                part = Partition.of(dealt.grid.leaves, owner, ranks)
                beyond = asked.link or link
                told = predicted_seconds(layout, part, costs, link if ranks in measured else beyond)
                predictions.append({"layer": layer, "scheme": scheme, "ranks": ranks} | told)
    relate(rows, predictions)
    return {"job": job.path.name, "link": link._asdict(),
            "other_link": (asked.link or link)._asdict(), "strong": rows, "predicted": predictions}


def measure_weak(comm: MPI.Comm, job: Job, asked: Question) -> list[dict[str, Any]]:
    """n parts' width on n ranks, beside one on one; collective."""
    rows = []
    for layer in asked.layers:
        for ranks in sorted({1, *asked.ranks}):
            wide = widened(job, ranks)
            found = on_ranks(
                comm, range(ranks), lambda those: time_layer(those, wide, layer, asked.steps))
            rows += [{"layer": layer, "ranks": ranks, "scheme": scheme} | found[scheme]
                     for scheme in SCHEMES]
    for row in rows:
        one = find(rows, row | {"ranks": 1})["seconds_per_step"]
        row["efficiency"] = one / row["seconds_per_step"]
    return rows


def widened(job: Job, times: int) -> Job:
    """The job of a part and a plate that are so many times as wide along y."""

    def wider(section):
        x, y, z = section.size
        return section.model_copy(update={"size": (x, times * y, z)})

    return job.model_copy(update={"part": wider(job.part), "plate": wider(job.plate)})


def measured_link(comm: MPI.Comm) -> Link:
    """Latency and bandwidth between two ranks; none of either on one rank; collective."""
    found = comm.bcast(ping_pongs(comm))
    if not found:
        return Link(0.0, np.inf)
    small = next(each for each in found if each.bytes == SMALLEST)
    large = max(found, key=lambda each: each.bytes)
    return Link(small.seconds, large.bytes / large.seconds)


def time_layer(comm: MPI.Comm, job: Job, layer: int, steps: int) -> dict[str, Any]:
    """Both schemes in the middle of a layer's scan; collective.

    levels  (m, n) of the blocks at the beginning of macro steps
    work    (n,) of an update of each; dealt  who gets them
    """
    build = before_layer(job, layer, layer, comm)
    length, scan = largest_ratio(job), build.stretch.laser
    build.index = min(scan // 2, scan - needed_steps(job, steps)) // length * length
    site, leaves = build.site, build.site.mesh.leaves
    parts = dealing.scan_parts(build.new_pace(site.mesh), leaves, scan, length)
    found: dict[str, Any] = {"work": site.work(leaves, layer, site.solid())}
    found["dealt"] = Dealt(parts, Grid(site.lattice, leaves, layer), scan, build.index)
    build.redeal()
    levels: list[np.ndarray] = []
    found["multirate"] = time_steps(build, steps // length, levels)
    found["levels"] = np.array(levels)
    build.job = job.model_copy(update={"time": job.time.model_copy(update={"ratio": 1})})
    build.drop_mesh()
    build.redeal()
    found["one rate"] = time_steps(build, steps // ONE_RATE, [])
    return found


def check_question(job: Job, asked: Question, weak: bool) -> None:
    """Raises UserError where a layer's scan has fewer steps than are taken, or where a part is to
    grow with the ranks that is no box."""
    if weak and job.part.shape != "box":
        raise UserError(f'part.shape = "{job.part.shape}", but --weak needs a "box"')
    needed, part = needed_steps(job, asked.steps), shape.load(job)
    for layer in asked.layers:
        scan = layer_stretch(job, part, layer).laser
        if needed > scan:
            raise UserError(f"--steps {asked.steps}, but the scan of layer {layer} has {scan} base "
                            f"steps, and with those that are not timed this takes {needed}")


def needed_steps(job: Job, steps: int) -> int:
    """Base steps that both schemes take to time so many."""
    length = largest_ratio(job)
    return (WARM_UP + max(steps // length, 1)) * length + WARM_UP + max(steps // ONE_RATE, 1)


def time_steps(build: Build, count: int, levels: list[np.ndarray]) -> dict[str, Any]:
    """Times `count` macro steps, or single ones, after some that are not timed; collective."""
    for _ in range(WARM_UP):
        build.advance()
    build.timers.seconds.clear()
    first, comm = build.index, build.comm
    comm.Barrier()
    began = perf_counter()
    for _ in range(max(count, 1)):
        build.advance()
        if build.macro:
            levels.append(build.macro.multirate.level)
    comm.Barrier()
    seconds, taken = perf_counter() - began, build.index - first
    nodes, stages = build.site.mesh.total_nodes, build.timers.reduced(comm)
    return {
        "nodes": nodes,
        "base_steps": taken,
        "seconds_per_step": seconds / taken,
        "nodes_times_steps_per_second": nodes * taken / seconds,
        **{f"{stage}_seconds_per_step": stages.get(stage, 0.0) / taken for stage in STAGES},
    }


def relate(rows: Sequence[dict[str, Any]], predictions: Sequence[dict[str, Any]]) -> None:
    """Adds the parallel efficiency to both, and to the predictions their error."""
    for table in (rows, predictions):
        for row in table:
            one = find(table, row | {"ranks": 1})["seconds_per_step"]
            row["efficiency"] = one / (row["ranks"] * row["seconds_per_step"])
    for row in predictions:
        measured = find(rows, row)
        if measured:
            row["error"] = row["seconds_per_step"] / measured["seconds_per_step"] - 1


def find(table: Sequence[dict[str, Any]], like: dict[str, Any]) -> dict[str, Any] | None:
    """The row of the same layer, scheme and ranks."""
    keys = ("layer", "scheme", "ranks")
    return next((row for row in table if all(row[key] == like[key] for key in keys)), None)
