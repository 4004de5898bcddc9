"""The state of a build between two steps: the mesh, its fields, and what they are made of."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import fsum, inf

import numpy as np

from .errors import UserError
from .fields import FIELDS, GROUPED_FIELDS, HISTORY_FIELDS
from .job import Job
from .ledger import Ledger
from .mesh import adapt, growth
from .mesh.forest import Leaves, carried
from .mesh.lattice import Lattice, make_lattice
from .mesh.mesh import Grid, Mesh
from .mesh.nodes import key_point
from .mesh.partition import cut
from .mesh.transfer import Transfer, moved
from .mesh.view import BlockView
from .part.material import Material
from .part.section import covered
from .phase.integrate import BlockPhases, Options, PhaseFields, beta, initial
from .phase.ranges import Groups
from .phase.model import PhaseLaw, check_law
from .thermal.heat import Heat
from .thermal.losses import make_loss_law

VARIED = 1.75  # cost of a cell in a block whose conductivity varies: mostly where phases change too

PHASES = ("alpha_stable", "martensite", "beta")  # as they are shown
Deal = Callable[[Grid, np.ndarray], np.ndarray]  # from Site.work (n,) to the owner (n,) of blocks


@dataclass
class Counts:
    """What happened to the mesh so far, and the largest meshes."""

    blocks: int = 0
    cells: int = 0
    nodes: int = 0
    blocks_refined: int = 0
    blocks_coarsened: int = 0
    transfers: int = 0
    repartitions: int = 0
    hanging_across_ranks: int = 0


class Site:
    """Mesh, fields and energy account; grows by layers.

    state   name -> array as in `fields`: (n_total,) at nodes, (nb, B^3) in cells
    fields  the table fields.FIELDS, with those of grouped layers if there are any
    former  (n_total,) K, room for the temperature before the last step
    phases  the phases in `state`, at owned nodes; those of ghosts are renewed when they are needed
    phased  whether there are any: where both schemes are off, they are 0 and never shown
    """

    def __init__(self, job: Job, material: Material, comm):
        self.job, self.material, self.comm = job, material, comm
        self.grouped_fields = GROUPED_FIELDS if job.layers.group > 1 else {}
        self.fields = FIELDS | self.grouped_fields
        thickness, count = job.layers.thickness, job.layers.count
        self.lattice: Lattice = make_lattice(
            np.array(job.part.size), np.array(job.plate.size), (thickness, count), job.mesh
        )
        glow = inf if job.layers.group == 1 else material.solidus
        self.losses = make_loss_law(material, job.losses.radiation, job.losses.evaporation, glow)
        excess = float(job.phase.decomposition == "excess")
        self.phase_law = PhaseLaw(**(material.phase or {}))._replace(excess=excess)
        self.phased = {job.phase.laser_scheme, job.phase.cooling_scheme} != {"off"}
        if self.phased:
            self.check_law()
        self.counts, self.ledger = Counts(), Ledger()
        self.powder = self.untouched("powder")

    def check_law(self) -> None:
        """UserError where the material's phase constants contradict each other."""
        try:
            check_law(self.phase_law)
        except UserError as problem:
            raise UserError(f"material {self.material.name}: {problem}") from problem

    def untouched(self, kind: str) -> dict[str, float]:
        """The fields of "plate" or "powder" before the laser reaches it."""
        phases = (0.0, 0.0, 0.0)
        if self.phased:
            phases = initial(kind, self.job.layers.temperature, self.phase_law)
        return {
            "temperature": self.job.layers.temperature,
            "consolidated": float(kind == "plate"),
            **dict(zip(HISTORY_FIELDS, map(float, phases))),
            **dict.fromkeys(self.grouped_fields, 0.0),
        }

    def lay_plate(self) -> None:
        """The bare plate at the temperature T_0."""
        leaves = growth.plate_leaves(self.lattice, self.job.mesh.fine_band)
        mesh = Mesh(self.comm, self.lattice, leaves, 0, cut(self.work(leaves, 0), self.comm.size))
        values = self.untouched("plate")
        shapes = {"node": mesh.nodes.n_total, "cell": (mesh.n_blocks, self.lattice.block**3)}
        self.settle(
            mesh, {name: np.full(shapes[f.place], values[name]) for name, f in self.fields.items()}
        )

    def settle(self, mesh: Mesh, state: dict[str, np.ndarray]) -> None:
        """Takes a mesh and the fields on it."""
        self.mesh, self.state = mesh, state
        self.former = state["temperature"].copy()
        fields = PhaseFields(*(state[name] for name in HISTORY_FIELDS))
        options = Options(self.job.phase.largest_substep, self.job.phase.rest_tolerance)
        self.phases = BlockPhases(fields, Groups(*mesh.home), self.phase_law, options)
        self.heat = Heat(
            mesh,
            self.material,
            self.losses,
            self.job.plate.bottom == "fixed",
            state["consolidated"],
        )
        counts = self.counts
        counts.blocks = max(counts.blocks, len(mesh.leaves))
        counts.cells = max(counts.cells, mesh.cells)
        counts.nodes = max(counts.nodes, mesh.total_nodes)
        across = self.comm.allreduce(mesh.hanging_across)
        counts.hanging_across_ranks = max(counts.hanging_across_ranks, across)

    def enthalpy(self) -> float:
        """J in the whole mesh, counted from 0 K."""
        return sum(self.comm.allgather(self.heat.enthalpy(self.state["temperature"])))

    def renew_ghosts(self) -> None:
        """Gives the ghosts what their owners have, but for the temperature; collective."""
        for name in (*HISTORY_FIELDS, *self.grouped_fields):
            self.mesh.halo.to_ghosts(self.state[name])

    def swap(self) -> None:
        """The temperature in `former` is the new one, the one before is in `former`."""
        self.state["temperature"], self.former = self.former, self.state["temperature"]

    def grow(self, layer: int, deal: Deal | None = None) -> None:
        """Lays powder up to the top of `layer`; adapts the mesh when a new row of blocks begins.

        deal  who owns which blocks, by default equal pieces of the Morton curve
        """
        old = self.mesh
        self.phases.catch_up(self.state["temperature"])
        self.renew_ghosts()
        leaves = growth.with_layer(old.leaves, self.lattice, layer)
        if len(leaves) > len(old.leaves):
            leaves = self.adapted(leaves, layer)
        work = self.work(leaves, layer, carried(old.leaves, self.solid(), leaves))
        if deal:
            owner = deal(Grid(self.lattice, leaves, layer), work)
        else:
            owner = cut(work, self.comm.size)
        self.move_to(Mesh(self.comm, self.lattice, leaves, layer, owner))

    def redeal(self, deal: Deal) -> bool:
        """Gives the blocks to other ranks without a change of any bit; whether any has moved.

        Temperature and phases go as they are, and so does how blocks rest. Collective.
        """
        old = self.mesh
        owner = deal(old, self.work(old.leaves, old.layer, self.solid()))
        if np.array_equal(owner, old.owner):
            return False
        mesh = Mesh(self.comm, self.lattice, old.leaves, old.layer, owner)
        rows = moved(old, mesh, self.node_blocks() | self.block_rows())
        self.take_rows(mesh, rows, rows)
        old.close()
        self.counts.repartitions += 1
        return True

    def take_rows(self, mesh: Mesh, nodes: dict, cells: dict) -> None:
        """Takes a mesh and what `node_blocks` and `block_rows` say of its blocks; collective."""
        state = {name: mesh.largest(nodes[name]) for name in self.nodal()}
        self.settle(mesh, state | {"consolidated": cells["consolidated"]})
        self.phases.rest = cells["rest"]

    def solid(self) -> np.ndarray:
        """(n,) which blocks have one conductivity; collective."""
        return self.mesh.everywhere(self.heat.conduction.solid)

    def work(self, leaves: Leaves, layer: int, solid: np.ndarray | None = None) -> np.ndarray:
        """(n,) expected cost of an update of each block in cells of the plate.

        solid  (n,) which blocks have one conductivity, by default those of the plate
        """
        if solid is None:
            solid = leaves.corner[:, 2] < self.lattice.plate
        return leaves.active(self.lattice.top(layer)) * np.where(solid, 1.0, VARIED)

    def adapted(self, leaves: Leaves, layer: int) -> Leaves:
        """Old leaves and a new row, refined and merged as the history fields ask."""
        old, inputs = self.mesh, self.job.mesh
        if inputs.coarsen != "never":
            deep = adapt.deep_blocks(old.leaves, old.top, inputs.surface_band)
            adapt.extend_history(old, self.state, HISTORY_FIELDS, deep)
        finer, coarser = adapt.wishes(old, self.state, HISTORY_FIELDS, inputs)
        wishes = carried(old.leaves, finer, leaves), carried(old.leaves, coarser, leaves)
        return growth.adapted(leaves, self.lattice, layer, inputs.fine_band, wishes)

    def move_to(self, mesh: Mesh) -> None:
        """Brings the fields to a new mesh and books what the enthalpy does."""
        old, before = self.mesh, self.enthalpy()
        transfer, heat = Transfer(old, mesh), self.heat
        laid = float(heat.content(np.array([self.powder["temperature"]]))[0])
        contents = self.state | {"temperature": heat.content(self.state["temperature"])}
        state = transfer(contents, self.powder | {"temperature": laid})
        state |= {name: np.zeros(mesh.nodes.n_total) for name in self.grouped_fields}
        state["temperature"] = heat.temperature(state["temperature"])
        fresh = self.volume_of(mesh) - self.volume_of(old)
        self.settle(mesh, state)
        old.close()
        brought = fresh * self.heat.volumetric * laid
        if self.comm.rank == 0:
            self.ledger.layers.add(brought)
        after = self.enthalpy()
        if self.comm.rank == 0:
            self.ledger.adaptation.add((after - before) - brought)
        self.counts.transfers += 1
        self.counts.repartitions += transfer.repartitioned
        self.counts.blocks_refined += transfer.split
        self.counts.blocks_coarsened += transfer.merged

    def volume_of(self, mesh: Mesh) -> float:
        """m^3 of all active cells."""
        cells = mesh.active * self.lattice.block**2 * mesh.leaves.stride**3
        return float(cells.sum()) * self.lattice.cell**3

    def build_up_to(self, layer: int, part, profiles) -> None:
        """Lays and consolidates all layers up to `layer` without simulating them.

        profiles  z (n,) m and temperature, alpha_stable, martensite (n,) over it, which every node
                  takes; the mesh grows row by row as in a build, adapting to this history
        """
        row, laid = self.lattice.block // self.lattice.layer or 1, 0
        for height in sorted({*range(row, layer, row), layer}):
            self.grow(height)
            self.impose(part, profiles, laid)
            laid = height
        self.counts, self.ledger = Counts(), Ledger()
        self.settle(self.mesh, self.state)

    def impose(self, part, profiles, laid: int) -> None:
        """Consolidates the part above layer `laid`; all nodes take the values of the profiles."""
        mesh, lattice = self.mesh, self.lattice
        view = self.view()
        centre = view.cell_centres()
        low, high = (lattice.cell * (lattice.top(n) - lattice.plate) for n in (laid, mesh.layer))
        new = ((centre[..., 2] > low) & (centre[..., 2] < high)).reshape(-1, lattice.block**3)
        self.state["consolidated"][new] = part.inside(centre.reshape(-1, 3)[new.ravel()])
        place = view.node_positions().reshape(*mesh.block_shape(), 3)
        z = mesh.largest(np.ascontiguousarray(place[..., 2]))
        beside = mesh.largest(1.0 * (self.beside_part(place) & (place[..., 2] <= 0))) > 0
        for name in ("temperature", *(("alpha_stable", "martensite") if self.phased else ())):
            values = np.interp(z, profiles.z, getattr(profiles, name))
            plate = values if name == "temperature" else self.untouched("plate")[name]
            self.state[name] = np.where(beside, plate, values)
        self.state["beta_shift"][:] = 0.0
        self.settle(mesh, self.state)

    def beside_part(self, place: np.ndarray) -> np.ndarray:
        """(...) whether points (..., 3) in m are beside the part's bounding box."""
        lattice = self.lattice
        low, high = (lattice.position([*(ends[side] for ends in lattice.part), 0])[:2]
                     for side in (0, 1))
        return ((place[..., :2] < low) | (place[..., :2] > high)).any(axis=-1)

    def beta(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """The beta fraction where the other fields have these values."""
        names = ("alpha_stable", "martensite", "beta_shift", "temperature")
        return beta(*(values[name] for name in names), self.phase_law)

    def phase_means(self, part) -> dict[str, float | None]:
        """Volume means over the part's consolidated cells, None if none is, or where there are no
        phases; collective."""
        if not self.phased:
            return dict.fromkeys(PHASES, None)
        view = self.view()
        centre = view.cell_centres()
        counted = part.inside(centre) & (centre[..., 2] > 0) & (view.cells["consolidated"] >= 0.5)
        size = self.lattice.block
        counted &= np.arange(size)[None, :, None, None] < view.active[:, None, None, None]
        weight = counted * (view.stride[:, None, None, None].astype(float) ** 3)
        sums = [weight.sum()]
        for name in PHASES:
            nodal = view.nodes[name]
            mean = (
                sum(
                    nodal[:, z : z + size, y : y + size, x : x + size]
                    for z in (0, 1)
                    for y in (0, 1)
                    for x in (0, 1)
                )
                / 8
            )
            sums.append((weight * np.where(counted, mean, 0.0)).sum())
        volume, *totals = self.comm.allreduce(np.array(sums))
        if volume == 0:
            return dict.fromkeys(PHASES, None)
        return {name: float(total / volume) for name, total in zip(PHASES, totals)}

    def surface_temperature(self, section) -> float | None:
        """K, mean over the top surface within a section; None where no node is in it; collective.

        Each node counts with its exposed area; the products are summed exactly: the same on any
        number of ranks.
        """
        mesh = self.mesh
        point = key_point(mesh.nodes.key)
        owned = np.arange(len(point)) >= mesh.nodes.n_ghost
        top = np.flatnonzero(owned & (mesh.area > 0) & (point[:, 2] == mesh.top))
        x, y, _ = self.lattice.position(point[top]).T
        top = top[covered(section, x, y)]
        area, temperature = mesh.area[top], self.state["temperature"][top]
        sums = [np.concatenate(self.comm.allgather(v)) for v in (area, area * temperature)]
        return fsum(sums[1]) / fsum(sums[0]) if len(sums[0]) else None

    def blocks(self) -> BlockView:
        """This rank's blocks without fields."""
        mesh = self.mesh
        return BlockView(
            self.lattice.block,
            self.lattice.cell,
            np.array(self.lattice.origin),
            mesh.leaves.corner[mesh.own],
            mesh.leaves.stride[mesh.own],
            mesh.leaves.level[mesh.own],
            mesh.active[mesh.own],
        )

    def view(self) -> BlockView:
        """This rank's blocks with the fields that are shown; collective."""
        mesh, size = self.mesh, self.lattice.block
        self.renew_ghosts()
        shown = dict(self.state)
        shown["beta"] = self.beta(self.state)
        shown["liquid"] = np.clip(
            (self.state["temperature"] - self.material.solidus)
            / (self.material.liquidus - self.material.solidus),
            0,
            1,
        )
        phases = PHASES if self.phased else ()
        pitch, nodal = size + 1, ("temperature", *phases, "liquid")
        nodes = {n: mesh.to_blocks(shown[n]).reshape(-1, pitch, pitch, pitch) for n in nodal}
        cells = {"consolidated": self.state["consolidated"].reshape(-1, size, size, size)}
        return replace(self.blocks(), nodes=nodes, cells=cells)

    def nodal(self) -> list[str]:
        """The fields at nodes."""
        return sorted(name for name, entry in self.fields.items() if entry.place == "node")

    def node_blocks(self) -> dict[str, np.ndarray]:
        """The nodal fields block by block, for a checkpoint; collective."""
        self.renew_ghosts()
        return {name: self.mesh.to_blocks(self.state[name]) for name in self.nodal()}

    def block_rows(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps of each of this rank's blocks beside the nodal fields."""
        return {"consolidated": self.state["consolidated"], "rest": self.phases.rest}

    def restore(self, header: dict, blocks: dict[str, np.ndarray], deal: Deal, load_rows) -> None:
        """The state of a checkpoint: header and blocks of describe().

        load_rows  what node_blocks() and block_rows() gave of some blocks (nb,)
        """
        leaves = Leaves(self.lattice.block, self.lattice.depth, blocks["level"], blocks["corner"])
        layer = header["layer"]
        owner = deal(Grid(self.lattice, leaves, layer), self.work(leaves, layer))
        mesh = Mesh(self.comm, self.lattice, leaves, layer, owner)
        self.counts = Counts(**header["counts"])
        self.take_rows(mesh, *load_rows(mesh.own))
        self.ledger = Ledger.restored(self.shared_out(header["ledger"]))

    def shared_out(self, ledgers: list) -> list:
        """This rank's account of a resumed run; rank 0 takes over when the ranks differ."""
        if len(ledgers) == self.comm.size:
            return ledgers[self.comm.rank]
        total = Ledger()
        for other in map(Ledger.restored, ledgers):
            for name in ("layers", "lost_top", "lost_plate", "adaptation"):
                getattr(total, name).add(getattr(other, name).value)
        laser = ledgers[0][0]
        return [laser, *(total.state()[1:] if self.comm.rank == 0 else Ledger().state()[1:])]

    def describe(self) -> tuple[dict, dict[str, np.ndarray]]:
        """What a checkpoint needs beside the fields: header, arrays over blocks; collective."""
        mesh = self.mesh
        header = {
            "layer": mesh.layer,
            "counts": asdict(self.counts),
            "ledger": self.comm.allgather(self.ledger.state()),
        }
        return header, {"level": mesh.leaves.level, "corner": mesh.leaves.corner}
