"""Macro steps of temperature and phases, every block at its own multiple of the base step."""

from time import perf_counter

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .compiled import kernel
from .phase.integrate import BlockPhases
from .phase.kernels import Step, make_work, step_block
from .thermal.multirate import Multirate, fire, highest_level, settle
from .thermal.pace import FOLLOW
from .thermal.source import beam_of
from .timers import Timers


@intrinsic
def cycles(typing):
    """The processor's cycle counter: a clock that compiled code can read."""

    def emit(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(builder.module.declare_intrinsic("llvm.readcyclecounter", (), kind), ())

    return types.int64(), emit


@njit(cache=True)
def take(steps, heat, phases):
    """Base steps in which the rank shares nothing.

    steps   (since, first, stop): from `first` on of the interval that begins `since` base steps
            after a sync, up to `stop`
    heat    (state, residual, field, conduction, beams, dark, levels, slowest, law, table, room,
            work), see thermal.multirate
    phases  (fields, groups, rest, step, law, visits, work), see phase.kernels; of a base step

    Returns (peak in K, lost (stop - first, 2) as `settle` tells it, cycles of temperature and of
    phases, fixed points not found).
    """
    state, residual, field, conduction, beams, dark = heat[:6]
    levels, slowest, law, table, room, work = heat[6:]
    since, first, stop = steps
    lost, spent, peak, failed = np.zeros((stop - first, 2)), np.zeros(2, np.int64), 0.0, 0
    for number in range(first, stop):
        began, time = cycles(), since + number
        source = (beam_of(beams, number), dark)
        top = fire(state, residual, field, conduction, source, levels, time, table, work)
        peak = max(peak, top)
        settle(state[0], residual, field, levels, slowest, time, law, table, room,
               lost[number - first])
        middle = cycles()
        failed += move_phases(state, levels, time + 1, residual.shape[0], phases)
        spent[0] += middle - began
        spent[1] += cycles() - middle
    return peak, lost, spent, failed


@njit(cache=True)
def move_phases(state, levels, time, count, phases):
    """The phases of all blocks whose turn it is as their step ends at `time`; the fixed points not
    found."""
    failed = 0
    for level in range(highest_level(time, count) + 1):
        for block in levels.order[levels.first[level] : levels.first[level + 1]]:
            if time & (levels.turn[block] - 1) == 0:
                failed += move_block(block, state, levels, time, phases)
    return failed


@kernel(forceinline=True)
def move_block(block, state, levels, time, phases):
    """The phases of a block up to `time`; the fixed points not found."""
    if phases is None:
        return 0
    fields, groups, rest, step, law, visits, work = phases
    whole = (fields[0], fields[1], fields[2], state[1], state[0])
    count = time - levels.moved[block]
    levels.moved[block] = time
    own = Step(step.dt * count, step.substeps, step.tolerance, levels.block[block] < FOLLOW)
    return step_block(block, whole, groups, rest, own, law, work, visits)


@kernel()
def move_some(blocks, state, levels, time, phases):
    """`move_block` of some blocks (m,)."""
    failed = 0
    for block in blocks:
        failed += move_block(block, state, levels, time, phases)
    return failed


class MacroStep:
    """Macro steps of one stretch on one mesh; see `take`.

    multirate, phases, halo  of the mesh
    """

    def __init__(self, multirate: Multirate, phases: BlockPhases, scheme: str, timers: Timers):
        heat = multirate.heat
        self.multirate, self.timers = multirate, timers
        self.phases = None
        if scheme != "off":
            options, dt = phases.options, multirate.dt
            step = Step(dt, int(scheme == "crank-nicolson"), options.rest_tolerance, False)
            self.phases = (phases.fields, phases.groups, phases.rest, step, phases.law,
                           phases.visits, make_work())
        self.tools = (heat.law, heat.table, multirate.room, heat.work)

    def run(self, temperature: np.ndarray, former: np.ndarray, start: int) -> None:
        """Advances `temperature` (n_total,) and the phases by the whole length.

        former  (n_total,)  scratch, T_old of `fire`
        start   base steps of the stretch that are done

        Raises ArithmeticError where the fixed point of (43) is not found.
        """
        multirate, failed, state = self.multirate, 0, (temperature, former)
        for since in range(0, multirate.length, multirate.interval):
            with self.timers("thermal"):
                behind = multirate.begin(start + since, since)
            failed += self.move_now(behind, state, since)
            failed += self.take_interval(state, since)
        if failed:
            raise ArithmeticError(f"{failed} phase states did not converge")

    def move_now(self, blocks: np.ndarray, state: tuple[np.ndarray, np.ndarray], since: int) -> int:
        """The phases of some blocks up to the present; the fixed points not found."""
        with self.timers("phase"):
            return move_some(blocks, state, self.multirate.levels, since, self.phases)

    def take_interval(self, state: tuple[np.ndarray, np.ndarray], since: int) -> int:
        """The steps between two choices of levels; the fixed points not found."""
        multi, failed, first = self.multirate, 0, 0
        count = multi.residual.shape[0]
        shares = [multi.shares(level) for level in range(count)]
        for number in range(multi.interval):
            high = highest_level(since + number, count)
            if any(shares[: high + 1]):
                failed += self.alone(state, (since, first, number))
                failed += self.shared(state, since + number, number)
                first = number + 1
        return failed + self.alone(state, (since, first, multi.interval))

    def alone(self, state: tuple[np.ndarray, np.ndarray], steps: tuple[int, int, int]) -> int:
        """Steps (since, first, stop) in which this rank shares nothing, see `take`."""
        if steps[1] == steps[2]:
            return 0
        multi = self.multirate
        heat = (state, multi.residual, multi.field, multi.heat.conduction, multi.beams, multi.dark,
                multi.levels, multi.slowest, *self.tools)
        with self.timers("thermal"):
            began = perf_counter()
            peak, lost, spent, failed = take(steps, heat, self.phases)
            seconds = perf_counter() - began
        self.timers.move("thermal", "phase", seconds * spent[1] / max(spent.sum(), 1))
        multi.book(peak, lost)
        return failed

    def shared(self, state: tuple[np.ndarray, np.ndarray], time: int, number: int) -> int:
        """Step `number` of the interval, `time` base steps after a sync, with neighbours."""
        multi, count, lost = self.multirate, self.multirate.residual.shape[0], np.zeros((1, 2))
        law, table, room, work = self.tools
        source = (beam_of(multi.beams, number), multi.dark)
        with self.timers("thermal"):
            peak = fire(state, multi.residual, multi.field, multi.heat.conduction, source,
                        multi.levels, time, table, work)
            with self.timers("halo"):
                for level in range(highest_level(time, count) + 1):
                    multi.exchange(level)
            settle(state[0], multi.residual, multi.field, multi.levels, multi.slowest, time, law,
                   table, room, lost[0])
        multi.book(peak, lost)
        with self.timers("phase"):
            return move_phases(state, multi.levels, time + 1, count, self.phases)
