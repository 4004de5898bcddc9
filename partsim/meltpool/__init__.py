"""Heat and flow of one melt pool: incompressible liquid under a moving beam, at track scale.

    alloy       properties of the metal: enthalpy and conduction as functions of temperature
    check       contradictions in a job, told before it runs
    source      where the beam leaves its power
    conduction  a pool by conduction alone, in closed form
    calibrate   absorptivity and depth of the source from measured pools
    kernels     the loops over cells
    limits      which steps are stable
    heat        the block of metal, shared among ranks in slabs along z, that moves with the beam
    flow        velocity and pressure in a box around the pool
    pressure    Poisson equations of the projection; multigrid: the same by PETSc
    shape       width, depth and length of the pool
    track       the loop over steps
    walls       ghost layers behind the walls of the box
    frames      the temperature file, which the growth of grains reads
    temperature  reading it
    fields      temperature and velocity around the pool for ParaView
    picture     the same in three cuts
    melt        from the job to the files, and their summary

Only the half y >= 0 is computed: source, walls and flow are symmetric. Velocities are staggered: a
component lives on the faces of cells that it crosses. Energy is measured from the alloy's lowest
tabulated temperature and per volume; density is constant.
"""
