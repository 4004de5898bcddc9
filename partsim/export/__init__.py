"""What a run knows, in the files that other programs read.

    points          histories of the probes
    layers          phase averages of each layer
    solidification  times, cooling rates and gradients at the liquidus, cell by cell
    window          temperatures of a box over time
    arrivals        how warm the metal is before the beam comes
"""
