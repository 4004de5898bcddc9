"""Whole builds of blocks against the dense reference, which shares no code with them."""

from types import SimpleNamespace

import numpy as np
import pytest

from partsim.build import Build
from partsim.job import parse
from partsim.jobcheck import check
from partsim.part import material as materials
from partsim.parallel import world
from partsim.program import stretch
from tests import dense_laws
from tests.dense import Dense
from tests.small_job import job_text

CHANGES = {
    "part.size": ["1.2 mm", "1.2 mm", "0.5 mm"],
    "plate.size": ["1.6 mm", "1.6 mm", "0.8 mm"],
    "scan.hatch": "0.4 mm",
    "scan.rotation": "67 deg",
    "scan.turn_time": "0.13 ms",
    "layers.dwell": "0.5 ms",
    "layers.temperature": "400 K",
    "mesh.levels": 1,
    "mesh.powder_rim": 0,
    "mesh.coarsen": "never",
    "time.step": "50 us",
    "output.every_layers": 0,
    "output.checkpoint_layers": 0,
}
COOLING = {"final_cooling.duration": "35 ms", "final_cooling.plate_temperature": "350 K", "time.steps_per_doubling": 1}


class Reference(Dense):
    """With the phase scheme of each stage, whichever the thermal step."""

    def grow(self):
        laid = self.mass > 1e-90
        super().grow()
        fresh = ~laid
        self.X_as[fresh], self.X_am[fresh], self.Y[fresh] = 0, dense_laws.law(self.T[fresh])[2], 0

    def finish(self, T, heat, lost, dt, scheme):
        super().finish(T, heat, lost, dt, self.scheme)

    def run(self, part, base, schemes):
        if not part.final:
            self.grow()
        self.bottom_temperature = part.plate
        for index, ticks in enumerate(part.steps):
            self.scheme = schemes[index >= part.laser]
            if part.final or ticks * base > 1.8e-4:
                self.implicit_step(ticks * base)
            else:
                path = part.path.ends, part.path.times, part.path.power
                self.explicit_step(path, index * base, ticks * base)

    def state(self):
        names = ("T", "X_as", "X_am", "Y", "r_c", "active")
        return SimpleNamespace(**{n: getattr(self, n).copy() for n in names}, books=dict(self.ledger))


def make_job(*changes):
    text = job_text({k: v for c in changes for k, v in c.items()})
    job = parse(text, "job.toml")
    check(job, materials.load(job.material))
    return job


def make_reference(job):
    cell = job.mesh.cell
    plate = np.rint(np.array(job.plate.size) / cell).astype(int)
    part = np.rint(np.array(job.part.size) / cell).astype(int)
    low = (plate - part) // 2
    return Reference(SimpleNamespace(
        cell=cell, plate=tuple(plate), origin=(*(-cell * low[:2]), -job.plate.size[2]),
        box=(low[0], low[0] + part[0], low[1], low[1] + part[1]), layers=job.layers.count,
        layer_cells=round(job.layers.thickness / cell), radius=job.laser.radius,
        temperature=job.layers.temperature, bottom=job.plate.bottom,
        material=materials.load(job.material), radiation=True, evaporation=True,
        largest_substep=job.phase.largest_substep))


@pytest.fixture(scope="module")
def states():
    import time
    comm = world()
    if comm.rank == 0:
        job = make_job(CHANGES, COOLING)
        dense, number, found = make_reference(job), 0, []
        schemes = (job.phase.laser_scheme, job.phase.cooling_scheme)
        t = time.time()
        while part := stretch(job, number):
            dense.run(part, job.time.step, schemes)
            found.append(dense.state())
            number += 1
            print(number, len(part.steps), time.time() - t, dense.T.max(), dense.ledger)
    else:
        found = None
    return comm.bcast(found)


def build(job, comm, folder):
    b = Build(job, comm, folder)
    b.start()
    b.go()
    return b


def differences(build, dense):
    view = build.site.view()
    h, origin = view.h, view.lattice_origin
    cells = np.argwhere(dense.active)
    place = view.locate(origin + h * (cells[:, ::-1] + 0.5))
    mine = place.block >= 0
    x, y, z = place.cell[mine].T
    r = view.cells["consolidated"][place.block[mine], z, y, x]
    out = {"consolidated": np.abs(r - dense.r_c[dense.active][mine]).max()}
    touched = np.zeros(dense.T.shape, bool)
    solid = touched.copy()
    for k in np.ndindex(2, 2, 2):
        s = tuple(slice(a, a + n) for a, n in zip(k, dense.active.shape))
        touched[s] |= dense.active
        solid[s] |= dense.active & (dense.r_c >= .5)
    place = view.locate(origin + h * np.argwhere(touched)[:, ::-1])
    mine = place.block >= 0
    for name, ref in (("temperature", dense.T), ("alpha_stable", dense.X_as), ("martensite", dense.X_am)):
        v = view.interpolate(view.nodes[name], place)
        d = np.abs(v - ref[touched])
        i = np.nanargmax(d)
        print(name, 'at', np.argwhere(touched)[i], v[i], ref[touched][i], 'mean', np.nanmean(d))
        out[name] = np.nanmax(d)
        out[name + "_solid"] = np.nanmax(d[solid[touched]])
    return out


def test_equal(states, comm, shared_tmp):
    b = build(make_job(CHANGES), comm, shared_tmp)
    print(differences(b, states[-2]))
    print(b.energy(), states[-2].books)
    b = build(make_job(CHANGES, COOLING), comm, shared_tmp)
    print(differences(b, states[-1]))
    print(b.energy(), states[-1].books)
    for levels in (2, 3):
        for tol in (1e-2, 5e-2):
            c = {"mesh.levels": levels, "mesh.coarsen": "interpolant", "mesh.coarsen_tolerance": tol}
            b = build(make_job(CHANGES, c), comm, shared_tmp)
            print(c)
            print(differences(b, states[-2]), b.site.counts)
            b = build(make_job(CHANGES, COOLING, c), comm, shared_tmp)
            print(differences(b, states[-1]))
