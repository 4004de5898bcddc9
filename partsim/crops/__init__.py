"""Crops: images of grains in sections of tracks, with the conditions under which they grew.

    grains.h5 of `partsim grow` ─ sections ─► labels on the pixels ─ colours ─► images ─► crops.h5
    EBSD maps (gensim.maps)     ───────────►        │
                                                    └ correlation: how much the crops tell

A crops file is where simulation and learning meet. It is HDF5 with the attributes

    format      "partsim crops 1"
    section     "cross" (normal to the scan) or "longitudinal" (along it); build direction up
    pixel_size  m
    colours     how `images` were drawn, see `colours.KINDS`
    job         text of the job, or of the import, that made the file

and the datasets, n crops of h x w pixels and m grains in all,

    grains               (n, h, w) int32, row of `orientations`; first row of an image: its top
    orientations         (m, 4) float64, unit quaternions w x y z that turn the axes of the sample,
                         z the build direction, into those of the crystal, as in orix; a row is one
                         grain of one run, so rows may be equal and never belong to two runs
    images               (n, h, w, 3) uint8
    power, absorbed_power, speed, initial_temperature      (n,) in W, W, m/s, K; unknown is NaN
    case, run, seed      (n,) int64: one condition, one simulation or part of a map of it, its seed;
                         runs of one seed are of one metal; -1: measured, a case is a map
    position             (n,) m, of the plane along its normal; in a map: of the window along x
    domain, split        (n,) text: where the crops come from; train, validation or held_out

This package reaches no other part of the simulation, so that gensim may use it.
"""
