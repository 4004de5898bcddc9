"""The explicit step against the Green's function of a beam that moves over a half space.

Constant properties, consolidated material, no losses. The half space is a plate with a layer all
over it: cells of 50 um, and in a band of 8 cells under the beam finer ones, with hanging nodes.
"""

import numpy as np

from partsim.job import parse
from partsim.part import material as materials
from partsim.part import shape
from partsim.part.strategy import layer_paths
from partsim.site import Site
from partsim.thermal.explicit import Explicit
from partsim.thermal.source import Optics
from partsim.timers import Timers
from tests.greens import Source, temperature_rise
from tests.order import observed_orders
from tests.small_job import job_text

AMBIENT = 293.0
COARSE = 5e-5
CHANGES = {
    "part.size": ["0.8 mm", "0.4 mm", "0.05 mm"],
    "plate.size": ["1.6 mm", "1.2 mm", "0.8 mm"],
    "scan.hatch": "0.4 mm",
    "layers.temperature": AMBIENT,
    "mesh.powder_rim": "0.4 mm",
    "losses.radiation": False,
    "losses.evaporation": False,
}
# x, y, z in um from the beam that moves along x, nodes of every mesh; the heat of 0.8 mm is there
PROBES = {
    "behind": [[-150, 0, 0], [-200, 0, 0], [-250, 0, 0]],
    "beside": [[-100, 100, 0], [-150, 100, 0], [-200, -100, 0]],
    "below": [[-100, 0, -100], [-150, 0, -100], [-200, 50, -100]],
}
PLACES = 1e-6 * np.concatenate(list(PROBES.values()))


def track_job(finer=0, bottom="insulated"):
    """One track of 0.8 mm on cells of 50 um / 2^finer, in steps in proportion to their square."""
    cell = COARSE / 2**finer
    mesh = {"mesh.cell": cell, "mesh.levels": finer + 1, "mesh.fine_band": 8}
    changes = CHANGES | mesh | {"time.step": 2e-5 / 4**finer, "plate.bottom": bottom}
    return parse(job_text(changes), "job.toml")


def consolidated_site(job, comm):
    """The plate and the layer on it before the track."""
    site = Site(job, materials.load(job.material), comm)
    site.lay_plate()
    site.grow(1)
    site.state["consolidated"][:] = 1.0
    site.settle(site.mesh, site.state)
    return site


def computed(job, comm):
    """Rise of T in K (n,) at PLACES from the end of the track, in whole steps; hanging nodes."""
    site, (path,) = consolidated_site(job, comm), layer_paths(job, shape.load(job), 1)
    steps = round(path.duration / job.time.step)
    explicit = Explicit(site.heat, path.duration / steps, site.ledger, Timers())
    lattice = site.lattice
    explicit.aim_at(
        (path,), Optics(job.laser.radius, lattice.cell, lattice.origin[:2], lattice.powder)
    )
    for step in range(steps):
        explicit.step(site.state["temperature"], step * explicit.dt)
    view = site.view()
    here = view.interpolate(view.nodes["temperature"], view.locate(path.ends[-1] + PLACES))
    hanging = comm.allreduce(int((site.mesh.nodes.tables.hanging != 0).sum()))
    return np.fmax.reduce(comm.allgather(here)) - AMBIENT, hanging


def exact(job, share=1.0, mirror=None):
    """Rise of T in K (n,) at PLACES from the beam when it has gone a share of the track.

    mirror  plane (axis, coordinate in m) at which the track is mirrored; the places stay
    """
    (path,), law = layer_paths(job, shape.load(job), 1), materials.load(job.material)
    ends, t = path.ends.copy(), share * path.duration
    places = path.position(t) + PLACES
    if mirror:
        axis, plane = mirror
        ends[:, axis] = 2 * plane - ends[:, axis]
    source = Source(
        job.laser.radius, job.layers.thickness, law.conductivity_solid,
        law.density * law.heat_capacity,
    )
    return temperature_rise(places, t, (ends, path.times, path.power), source)


def largest(error):
    """(3,) largest relative error behind, beside and below of errors (n,) at PLACES."""
    return np.abs(error).reshape(len(PROBES), -1).max(axis=1)


def test_error_falls_with_the_square_of_the_cell(comm):
    """Relative to the rise, which is 570 to 4500 K."""
    rise, errors = exact(track_job()), []
    for finer in range(3):
        result, hanging = computed(track_job(finer), comm)
        assert (hanging > 0) == (finer > 0)
        errors.append(result / rise - 1)
    coarse, fine = observed_orders(np.transpose([largest(error) for error in errors])).T
    assert (coarse > 1.5).all() and (fine > 1.75).all()
    assert (largest(errors[0]) < [0.098, 0.139, 0.189]).all()
    assert (largest(errors[1]) < [0.0210, 0.0435, 0.0640]).all()
    assert (largest(errors[2]) < [0.0050, 0.0112, 0.0184]).all()
    extrapolated = (4 * errors[2] - errors[1]) / 3
    assert (largest(extrapolated) < [0.0005, 0.0020, 0.0035]).all()


def test_the_track_is_long_enough():
    """The temperature around the beam is steady well before the end."""
    job = track_job()
    np.testing.assert_allclose(exact(job, share=0.75), exact(job), rtol=1e-4)


def test_the_plate_is_large_enough(comm):
    """A side that lets no heat pass acts as a mirrored track; the bottom may do what it likes."""
    job = track_job()
    low, high = -4e-4, np.array(job.part.size[:2]) + 4e-4
    for mirror in [(0, low), (1, low), (0, high[0]), (1, high[1])]:
        assert exact(job, mirror=mirror).max() < 1e-20
    fixed, insulated = (computed(track_job(bottom=b), comm)[0] for b in ("fixed", "insulated"))
    np.testing.assert_allclose(fixed, insulated, atol=1e-9)
