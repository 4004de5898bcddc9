"""What a run knows, in the files that other programs read.

    points   histories of the probes
    layers   phase averages of each layer
    window   temperature of a box on a regular grid
"""
