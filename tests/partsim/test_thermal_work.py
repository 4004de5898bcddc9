"""The declared work of the thermal kernels against the operations of the plain kernels."""
import numpy as np
import pytest

from partsim.mesh.mesh import Mesh
from partsim.mesh.partition import cut
from partsim.thermal import kernels, work
from partsim.thermal.source import Optics, empty_beam
from tests.counting import counted, counting
from tests.heat_run import HeatRun
from tests.meshes import small_lattice, varied_leaves

DARK = empty_beam(Optics(1.0, 1.0, (0.0, 0.0), ((0, 1), (0, 1))), 1, (0, 0))
KINDS = {"solid": 1.0, "powder": 0.0}


def cold_run(comm, block, kind):
    """A mesh with hanging nodes and partly active blocks at room temperature."""
    lattice = small_lattice(block, 2)
    leaves = varied_leaves(lattice, 2)
    mesh = Mesh(comm, lattice, leaves, 2, cut(leaves.active(lattice.top(2)), comm.size))
    return HeatRun(mesh, lambda points: 300.0 + points[..., 0], consolidated=KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [4, 8])
def test_declared_flops_are_executed(comm, block, kind):
    """A sweep and finish_surface; every rank counts its own blocks."""
    run = cold_run(comm, block, kind)
    heat, nodes = run.heat, run.mesh.nodes
    assert kind != "solid" or heat.conduction.solid.any()
    scratch, rates = heat.work, np.full(run.mesh.n_blocks, 1e-3)
    with counting(kernels) as count:
        old, new = counted(run.temperature), counted(run.temperature)
        collected = counted(heat.contributions)
        field = heat.conduction._replace(consolidated=counted(heat.conduction.consolidated))
        kernels.sweep(old, new, collected, field, DARK, rates, counted_scratch(scratch))
        kernels.finish_surface(old, new, collected, np.zeros(nodes.n_surface))
    declared = work.step_work(heat.conduction, nodes.n_surface, nodes.n_total)
    assert count.flops == declared.flops


def counted_scratch(scratch):
    """Scratch arrays of counting numbers; values stay a part of padded, weights are constants."""
    padded = counted(scratch.padded)
    gap = len(scratch.padded) - len(scratch.values)
    copies = {name: counted(getattr(scratch, name))
              for name in ("flux", "kappa", "corners", "own", "aside")}
    return scratch._replace(padded=padded, values=padded[gap:], **copies)


def test_bytes_are_at_least_those_of_the_temperature(comm):
    run = cold_run(comm, 8, "solid")
    nodes = run.mesh.nodes
    moved = work.step_work(run.heat.conduction, nodes.n_surface, nodes.n_total).bytes
    assert 16 * nodes.n_total < moved < 60 * nodes.n_total
