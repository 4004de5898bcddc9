"""How fast the kernels of partsim can be on a machine, and how fast they are.

    stream, messages ─ machine ─► machines/NAME.toml
    layouts ─ measure, scan ─► judge ─► kernels.json ─► roofline, report
    tracks ───────────┘
    assembly ─ mca ─ sections ──┘           variants: the kernels compiled in another way
    layouts ─► stepping     layouts, messages ─► scaling ─► predict, scalingreport

    machine    bandwidths, peaks and messages of this machine, measured
    layouts    what kernels are measured on: synthetic points, the mesh of a real job
    measure    the phase kernels on the synthetic layouts
    scan       the steps of a real job, alone and shared among ranks
    tracks     the kernels of melt pool and phase field
    incore     the explicit sweep with all its data in cache
    stepping   multirate steps beside the one-rate scheme on whole layers
    scaling    strong and weak scaling; predict: a model of it, for more ranks
    judge      what was timed against the machine's limits
    sections   the cycles that the sections of the phase kernels need, by llvm-mca
    counters   LIKWID and perf, where they can be used
    accuracy   errors of the fast exp, log and pow

Work is declared beside each kernel of partsim (work.py) and counted by tests. Nothing imports this
package.
"""
