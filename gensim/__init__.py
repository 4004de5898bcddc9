"""Generative models of grain structure: images of a melt track's section from process conditions.

Will hold learning only: reading crops of simulated and measured microstructures, training a
conditional diffusion model on them, sampling, and comparing the samples with the real thing. It
meets partsim in one HDF5 file of crops and shares none of its solvers.
"""
