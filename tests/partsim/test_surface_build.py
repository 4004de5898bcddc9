"""A build of a part from a file: its energy, its masks, and a checkpoint that knows the file."""

import math

import numpy as np
import pytest
import trimesh

from partsim.errors import UserError
from partsim.job import parse
from partsim.launch import checked_job
from partsim.output.checkpoint import latest
from partsim.parallel import first_rank_only, world
from partsim.part.strategy import layer_paths
from tests.build_job import build_text, run_build
from tests.small_job import REMOVED

# a plate of five finest blocks, one more than a root block; two beams, contours, two pieces
CHANGES = {
    "part.shape": "surface", "part.size": REMOVED, "part.file": "part.stl",
    "plate.size": ["1.6 mm", "1.6 mm", "1 mm"],
    "scan.hatch": "0.1 mm", "scan.order": ["lines", "features"], "scan.hop_time": "0.2 ms",
    "scan.lasers": 2, "scan.inset": "50 um",
    "layers.count": 5, "layers.dwell": "0.4 ms", "final_cooling.duration": 0,
    "output.mid_scan": [2], "output.every_layers": 0, "output.checkpoint_layers": 5,
}
CONTOUR = '\n[scan.contour]\npower = "90 W"\noffset = "20 um"\n'


def pieces(width=0.3):
    """Two posts that stand beside each other, in mm."""
    first = trimesh.creation.box(bounds=[[0, 0, 0], [width, 0.8, 0.25]])
    second = trimesh.creation.box(bounds=[[0.5, 0, 0], [0.8, 0.8, 0.25]])
    return trimesh.util.concatenate([first, second])


@pytest.fixture(scope="module")
def build(module_tmp):
    comm = world()
    first_rank_only(comm, lambda: pieces().export(module_tmp / "part.stl") and None)
    text = build_text(CHANGES, probes=()).replace("[layers]", CONTOUR + "\n[layers]")
    return run_build(comm, parse(text, module_tmp / "part.toml"), module_tmp / "part")


def test_energy_is_that_of_both_beams_and_the_account_closes(comm, build):
    paths = [layer_paths(build.job, build.part, layer) for layer in range(1, 6)]
    assert all(len(beams) == 2 for beams in paths)
    expected = math.fsum(path.energy() for beams in paths for path in beams)
    assert build.energy()["laser"] == pytest.approx(expected, rel=1e-13)
    assert abs(build.energy()["closing_error"]) < 1e-12
    assert build.site.lattice.plate == 20 and build.site.lattice.root_edge == 16


def test_what_is_molten_lies_in_the_pieces(comm, build):
    """The gap between them, 0.2 mm wide, keeps powder; the pieces are dense in their middle."""
    view = build.site.view()
    centre, dense = view.cell_centres(), view.cells["consolidated"] >= 0.5
    above = (centre[..., 2] > 0) & view.active_cells
    deep = above & (np.abs(centre[..., 1] - 4e-4) < 2e-4)
    middles = deep & (np.abs(centre[..., 0] - 1.5e-4) < 8e-5)
    gap = deep & (np.abs(centre[..., 0] - 4e-4) < 3e-5)
    assert comm.allreduce(int(middles.sum())) > 50 and comm.allreduce(int(gap.sum())) > 20
    assert comm.allreduce(int((middles & ~dense).sum())) == 0
    assert comm.allreduce(int((gap & dense).sum())) == 0


def test_checkpoint_notices_that_the_file_has_changed(comm, build):
    path = latest(build.records.folder)
    assert checked_job(path).part.size == build.job.part.size
    file = build.job.path.parent / "part.stl"
    comm.Barrier()  # all have read it
    first_rank_only(comm, lambda: pieces(0.29).export(file) and None)
    try:
        with pytest.raises(UserError, match="part: sha256 = [0-9a-f]{64}, but .* needs"):
            checked_job(path)
    finally:
        comm.Barrier()
        first_rank_only(comm, lambda: pieces().export(file) and None)
    assert checked_job(path).part.size == build.job.part.size
