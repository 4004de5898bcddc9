"""Grains of 316L while tracks melt and solidify: from a temperature file to a map of grains.

    temperature file ─► temperature ─► blocks ─► phase field or dendritic law ─► layers ─► output

    temperature   frames of one track, shifted and mirrored to any track, sampled at cells
    blocks        which blocks of 8^3 cells can change, and which rank computes them
    store         order parameters of blocks: as many as are alive there
    exchange      what ranks tell each other: faces of blocks in every step, blocks when dealt anew
    phasefield    the multi-order-parameter phase field of Xie 2026
    dendrites     tip velocity and decentred octahedra: a cellular automaton
    layers        the order of tracks, metal that is added, the window that moves up
    grow          the loop over tracks, with a checkpoint after each

Words
    label     number of a grain while a track is grown; nuclei have labels above all others
    row       where a block is kept on its rank
    slot      place in a block's list of order parameters
    alive     can change before the next frame; other blocks are held
    at rest   solid that has stopped changing: held until something near it melts
    epoch     the steps between two frames of temperature
    window    the part of the metal that can change: `grains.depth` below the present surface
"""
