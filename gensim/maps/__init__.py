"""Measured grains: maps of electron backscatter diffraction (EBSD), imported as crops.

    MAP (.ang, .ctf, .h5) ─ ebsd ─► points ─ grains ─► one grain a point ─ windows ─► crops file

    ebsd      reading by orix, and what is refused
    frame     turning the map until the build direction points up
    grains    not-indexed points filled, points joined by disorientation, mean orientations, figures
    windows   pixels, the line between what teaches and what tests, the windows on either side
    importer  the verb `gensim import`
    scan      the verb `gensim ebsd`: simulated crops with the errors of a scan
"""
