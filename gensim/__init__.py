"""Generative models of grain structure: images of a melt track's section from process conditions.

    crops files ─ data ─► train (a network of model) ─► model folder ─► sample ─► crops file
    two crops files ─ evaluate ─► report       a run of partsim, a model ─ predict ─► its grains
    a measured map ─ maps ─► crops file

    maps    EBSD maps as crops, and simulated crops as an EBSD scan would show them
    data    reads and writes crops files, splits them, augments, draws sheets; needs no torch
    model   the networks, the embedding of conditions, the folder in which a model is kept
    train   pre-training, fine-tuning and distillation on any number of ranks
    sample  images for given conditions
    evaluate  how alike the grains of two crops files are, measured or sampled; needs no torch
    study   which way to a model of measured grains is best: trains, samples, evaluates
    predict images for places of a part, their conditions read from its run

Words: a *crop* is a square image of a section, its grain map and the conditions that made it; the
*conditions* are power (W), speed (m/s) and initial temperature (K), unknown ones NaN; a *case* is
one set of conditions, a *run* one specimen or simulation of it; x_0 is a scaled image, x_t the same
with noise, t = 0 ... 999 how much; the *hull* is the convex hull of the conditions trained with.

Every random number is a function of (seed, image counter), see chance.py: nothing depends on the
number of ranks or on the size of a batch. The simulation is met in
files only: crops, and a job with its table of arrivals.
"""
