"""How fast the kernels of partsim can be on a machine, and how fast they are.

Will measure a machine's bandwidth and peak, bound each kernel by its declared work, and predict
a run on more ranks than the machine has. Nothing imports this package.
"""
