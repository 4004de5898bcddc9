"""Laser powder-bed fusion of a part, and of single tracks with the grains that grow in them.

Heat and phase history of a part while it is built:

    jobs/*.toml ─ job ─► part ─► mesh ─► thermal ─► phase ─► output
                                  ▲                    │
                                  └─ build: the loop ◄─┘

    job       what to build and how, read from one file and checked as a whole
    part      shape, scan path and material: pure functions of place and time
    mesh      the block octree that grows with the part, shared among MPI ranks
    thermal   one step of the heat equation: explicit, in super-steps while it cools
    phase     the fractions of alpha, martensite and beta at every node
    output    series, probes, checkpoints and pictures of a run that does not know it is watched
    build     the loop over layers and steps; plan and estimate tell its cost and outcome beforehand
    export    tables for other programs; files, info, lines: what a file or a run holds, as text
    validation  computed melt pools beside measured ones

One track after another, with their grains:

    jobs/track_*.toml ─ trackjob ─► meltpool ─► grains ─► crops ─► crops.h5

    trackjob  power, speed, alloy, melt pool; growjob: tracks, layers and the law of growth
    meltpool  heat and flow of a moving pool
    grains    growth and nucleation in the temperature of the pool, track by track
    crops     sections as images with their conditions, for gensim
    study     the same for many conditions and seeds

Imports go from the right of these drawings to their left only.

Words
    block         B x B x B cells of one size, the leaf of the octree and the unit of sharing
    cell          a cube with eight nodes; holds the consolidated fraction
    node          a corner of cells; holds temperature and phase fractions
    level         how often a root block was halved: 0 is the coarsest, `depth` the finest
    finest cell   the cell of level `depth`; the lattice counts lengths in its edge h
    owned         computed on this rank
    ghost         a copy of a node that another rank owns
    halo          the exchange that renews the ghosts
    hanging       a node that the coarser of two neighbouring blocks lacks; interpolated, never free
    active        the cells below the top of the newest layer; those above do not exist yet
    layer         one powder layer: laid, scanned, left to cool
    dwell         the cool-down between the end of a scan and the next layer
    consolidated  molten at least once: 0 is powder, 1 is dense metal
    part, plate   the solid to be built; the base plate below it, whose top is z = 0
    powder rim    how far powder is simulated around the part
    transfer      every stored field from one mesh to the next, conserving enthalpy
    section       what a layer cuts out of the part, in the plane at half the layer's height
    field         a rectangle of the layer with lines of its own (island)
    feature       a connected piece of a section
    heat content  what a kilogram holds, counted as a temperature: theta = H / c_ref
    base step     the time step with the laser on; the clock counts in it
    history       a field that remembers: consolidated fraction and phase fractions
    job, run      the input file; one execution of it

Arrays over space are indexed [z, y, x]. All quantities inside the code are SI; units are written
and read in the job file and in printed tables only.
"""

__version__ = "0.1.0"
