"""Strong and weak scaling of a job's layers, and what the model of predict.py makes of it."""

import platform
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import psutil
from mpi4py import MPI

from partsim import dealing
from partsim.build import Build
from partsim.errors import UserError
from partsim.job import Job, parse
from partsim.jobcheck import largest_ratio
from partsim.macrostep import MacroStep
from partsim.mesh.mesh import Grid
from partsim.mesh.partition import cut
from partsim.part import shape
from partsim.program import layer_stretch
from partsim.site import Site
from perfmodel.layouts import before_layer
from perfmodel.messages import Message, ping_pongs
from perfmodel.predict import Costs, Layout, Link, Partition, predicted_seconds
from perfmodel.stream import on_ranks

SCHEMES = ("one rate", "multirate")
STAGES = ("thermal", "phase", "halo")
WARM_UP = 4  # macro steps
ONE_RATE = 4  # times fewer steps of it are timed
REPEATS = 3  # of what is measured beside the steps
TINY_STEPS = 500
# the smallest part and plate that there are; scanned so slowly that so many steps are taken
TINY = """
part.size = ["0.4 mm", "0.4 mm", "50 um"]
plate.size = ["0.4 mm", "0.4 mm", "0.4 mm"]
laser = { power = "20 W", radius = "60 um", speed = "50 mm/s" }
scan.hatch = "80 um"
layers.thickness = "50 um"
mesh = { cell = "50 um", block = 8, levels = 1, powder_rim = "0 mm" }
time = { step = "10 us", ratio = 1 }
"""


class Question(NamedTuple):
    """What is measured, and for which rank counts it is predicted.

    layers  which are scanned           ranks  counts to measure, rising
    steps   base steps that are timed   more   counts to predict
    link    of more ranks than are measured; None: as measured, see Links
    """

    layers: tuple[int, ...]
    ranks: tuple[int, ...]
    steps: int
    more: tuple[int, ...]
    link: Link | None


class Links(NamedTuple):
    """Of the ranks that are measured, and of more: the slowest kind that was measured, which lies
    between nodes where they are on several. None where there was no other rank to measure."""

    measured: Link | None
    beyond: Link | None


class Smallest(NamedTuple):
    """Work of an update of all blocks of a small mesh, and s of a base step of one rate there."""

    work: float
    seconds: float


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

    Only ranks that take part are busy; one rank is measured in any case. More ranks are predicted
    only where the time of messages is known.
    """
    links = measured_links(comm, asked.link)
    smallest = on_ranks(comm, [0], lambda those: time_smallest(those, job))
    rows, predictions = [], []
    for layer in asked.layers:
        measured = {}
        for ranks in sorted({1, *asked.ranks}):
            measured[ranks] = on_ranks(
                comm, range(ranks), lambda those: time_layer(those, job, layer, asked.steps))
        rows += [{"layer": layer, "ranks": ranks, "scheme": scheme} | found[scheme]
                 for ranks, found in measured.items() for scheme in SCHEMES]
        counts = sorted({*measured, *(asked.more if links.beyond else ())})
        told = predict(measured, smallest, counts, links)
        predictions += [{"layer": layer} | row for row in told]
    relate(rows, predictions)
    return {
        "job": job.path.name, "steps": asked.steps,
        "machine": machine_facts(comm),
        "links": {name: link and link._asdict() for name, link in links._asdict().items()},
        "strong": rows, "predicted": predictions,
    }


def predict(
    measured: dict[int, dict[str, Any]], smallest: Smallest, counts: Sequence[int], links: Links
) -> list[dict[str, Any]]:
    """Rows of both schemes on so many ranks, from what time_layer tells of one."""
    one = measured[1]
    rates = {scheme: one[scheme]["seconds_per_step"] for scheme in SCHEMES}
    begin, other = line_through(smallest, one["layout"].work.sum(), rates["one rate"])
    every = {"one rate": Costs(other, other, False, begin),
             "multirate": Costs.fitted(one["layout"], rates["multirate"], other, one["begin"],
                                       one["call"])}
    rows = []
    for scheme, costs in every.items():
        for ranks in counts:
            owner = (one["dealt"].owner if costs.multirate else cut)(one["layout"].work, ranks)
            part = Partition.of(one["dealt"].grid, owner, ranks)
            link = links.measured if ranks in measured else links.beyond
            told = predicted_seconds(one["layout"], part, costs, link or Link(0.0, np.inf))
            rows.append({"scheme": scheme, "ranks": ranks} | told | {
                "costs": costs._asdict(), "bytes_of_borders": float(part.total.sum()),
                "neighbours": float(len(part.whole)) / ranks,
            })
    return rows


def line_through(smallest: Smallest, work: float, seconds: float) -> tuple[float, float]:
    """(s, s per work) of a step whatever the mesh, and of its blocks.

    The first is 0 where the two times do not tell them apart.
    """
    if work > smallest.work and seconds > smallest.seconds:
        slope = (seconds - smallest.seconds) / (work - smallest.work)
        begin = smallest.seconds - slope * smallest.work
        if begin > 0:
            return begin, slope
    return 0.0, seconds / work


def time_smallest(comm: MPI.Comm, job: Job) -> Smallest:
    """One rate on a mesh of a few blocks, of the same material and losses; on one rank."""
    same = {name: getattr(job, name) for name in ("material", "phase", "losses")}
    tiny = parse(TINY, job.path).model_copy(update=same)
    build = before_layer(tiny, 1, 1, comm)
    site = build.site
    work = site.work(site.mesh.leaves, 1, site.solid()).sum()
    return Smallest(float(work), time_steps(build, TINY_STEPS, [])["seconds_per_step"])


def machine_facts(comm: MPI.Comm) -> dict[str, Any]:
    """Where it was measured, and whether there were more ranks than cores; collective."""
    nodes = comm.allgather(platform.node())
    cores = comm.allgather(psutil.cpu_count())
    return {"node": nodes[0], "nodes": len(set(nodes)), "cores_of_first_node": cores[0],
            "more_ranks_than_cores": any(nodes.count(node) > count
                                         for node, count in zip(nodes, cores))}


def measure_weak(comm: MPI.Comm, job: Job, asked: Question) -> list[dict[str, Any]]:
    """n parts' width on n ranks, beside one on one; collective.

    Work is nearly proportional to the width, and efficiency is told per node. The beams are as many
    for all: of multirate steps the hot blocks are not n times as many.
    """
    rows = []
    for layer in asked.layers:
        for ranks in sorted({1, *asked.ranks}):
            wide = widened(job, ranks)
            found = on_ranks(
                comm, range(ranks), lambda those: time_layer(those, wide, layer, asked.steps))
            rows += [{"layer": layer, "ranks": ranks, "scheme": scheme} | found[scheme]
                     for scheme in SCHEMES]
    for row in rows:
        one = find(rows, row | {"ranks": 1})["nodes_times_steps_per_second"]
        row["efficiency"] = row["nodes_times_steps_per_second"] / (row["ranks"] * one)
    return rows


def widened(job: Job, times: int) -> Job:
    """The job of a part and a plate that are so many times as wide along y."""

    def wider(section):
        x, y, z = section.size
        return section.model_copy(update={"size": (x, times * y, z)})

    return job.model_copy(update={"part": wider(job.part), "plate": wider(job.plate)})


def measured_links(comm: MPI.Comm, given: Link | None) -> Links:
    """Between two ranks, of one node and of two where there are; collective."""
    found = comm.bcast(ping_pongs(comm))
    kinds = {each.link: link_of([one for one in found if one.link == each.link]) for each in found}
    near, far = kinds.get("node"), kinds.get("network")
    return Links(far or near, given or far or near)


def link_of(messages: Sequence[Message]) -> Link:
    """Latency from the smallest message, bandwidth from the largest."""
    small = min(messages, key=lambda each: each.bytes)
    large = max(messages, key=lambda each: each.bytes)
    return Link(small.seconds, large.bytes / large.seconds)


def time_layer(comm: MPI.Comm, job: Job, layer: int, steps: int) -> dict[str, Any]:
    """Both schemes in the middle of a layer's scan; collective.

    The layer begins from the layer-averaged estimate, so that few of its phases are in motion.
    Dealing anew, growth, cool-down and output are not in it.

    layout       of the blocks in the last interval of each macro step; dealt: who gets them
    begin, call  s, see predict.Costs, of multirate steps; on one rank
    """
    build = before_layer(job, layer, layer, comm)
    length, scan = largest_ratio(job), build.stretch.laser
    build.index = min(scan // 2, scan - needed_steps(job, steps)) // length * length
    site, leaves = build.site, build.site.mesh.leaves
    parts = dealing.scan_parts(build.new_pace(site.mesh), leaves, scan, length)
    work = site.work(leaves, layer, site.solid())
    found: dict[str, Any] = {
        "dealt": Dealt(parts, Grid(site.lattice, leaves, layer), scan, build.index)}
    build.job = job.model_copy(update={"time": job.time.model_copy(update={"ratio": 1})})
    build.drop_mesh()
    build.redeal()
    found["one rate"] = time_steps(build, steps // ONE_RATE, [])
    build.job, build.index = job, -(-build.index // length) * length
    build.drop_mesh()
    build.redeal()
    levels: list[np.ndarray] = []
    found["multirate"] = time_steps(build, steps // length, levels)
    fast = build.macro.multirate.interval.bit_length() - 1
    found["layout"] = Layout(work, np.array(levels).astype(int), fast)
    if comm.size == 1:
        found |= aside(build.macro, site, build.index)
    return found


def aside(macro: MacroStep, site: Site, index: int) -> dict[str, float]:
    """s per base step: `begin`, and `call` as how much longer an interval takes on one rank if
    each of its steps is taken as those are that end in messages. The fields are spoiled."""
    multi, state = macro.multirate, (site.state["temperature"], site.former)
    begin, alone, shared = [], [], []
    for _ in range(REPEATS):
        multi.residual[:] = 0.0  # of slow blocks, whose steps never end here
        begin.append(seconds_of(lambda: multi.begin(index, 0)))
        alone.append(seconds_of(lambda: macro.alone(state, (0, 0, multi.interval))))
        multi.begin(index, 0)
        shared.append(seconds_of(
            lambda: [macro.shared(state, number, number) for number in range(multi.interval)]))
    call = max(min(shared) - min(alone), 0.0)
    return {"begin": min(begin) / multi.interval, "call": call / multi.interval}


def seconds_of(action: Callable[[], object]) -> float:
    """s that an action takes."""
    began = perf_counter()
    action()
    return perf_counter() - began


def check_question(job: Job, asked: Question, weak: bool) -> None:
    """Raises UserError where a layer's scan has fewer steps than are taken, or where a part is to
    grow with the ranks that is no box, or its scan with it."""
    if weak and job.part.shape != "box":
        raise UserError(f'part.shape = "{job.part.shape}", but --weak needs a "box"')
    if weak and job.scan.file:
        raise UserError(f'scan.file.name = "{job.scan.file.name}", but --weak needs a scan that '
                        "grows with the part")
    needed, part = needed_steps(job, asked.steps), shape.load(job)
    for layer in asked.layers:
        scan = layer_stretch(job, part, layer).laser
        if needed > scan:
            raise UserError(f"--steps {asked.steps}, but the scan of layer {layer} has {scan} base "
                            f"steps, and with those that are not timed this takes {needed}")


def needed_steps(job: Job, steps: int) -> int:
    """Base steps that both schemes take to time so many."""
    length = largest_ratio(job)
    one_rate = WARM_UP + max(steps // ONE_RATE, 1)
    return one_rate + length + (WARM_UP + max(steps // length, 1)) * length


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
    """Adds the parallel efficiency to both, of each stage where it is known, and to the predictions
    their error."""
    for table in (rows, predictions):
        for row in table:
            one = find(table, row | {"ranks": 1})
            for name in ("", "thermal_", "phase_"):
                key = f"{name}seconds_per_step"
                if row.get(key):
                    row[f"{name}efficiency"] = one[key] / (row["ranks"] * row[key])
    for row in predictions:
        measured = find(rows, row)
        if measured and row["ranks"] > 1:  # one rank is what the model is fitted to
            row["error"] = row["seconds_per_step"] / measured["seconds_per_step"] - 1


def find(table: Sequence[dict[str, Any]], like: dict[str, Any]) -> dict[str, Any] | None:
    """The row of the same layer, scheme and ranks."""
    keys = ("layer", "scheme", "ranks")
    return next((row for row in table if all(row[key] == like[key] for key in keys)), None)
