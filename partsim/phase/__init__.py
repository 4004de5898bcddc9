"""The phases of Ti-6Al-4V at every node: stable alpha, martensite and beta.

    model      the constants, and the model of one point in plain Python: the reference
    lane       the equations of one point, compiled
    rows       their loops over the points of a batch
    ranges     points of a block in the vectors, lanes of a batch
    visits     the sections of the code, which are counted
    batch      one step of a batch
    kernels    one step of any number of points, and of blocks that may rest
    work       flops and bytes of what was visited
    integrate  the scheme of a run; initial and beta fractions
    history    the phases along a temperature history from a file

The model is that of Proell, Brotz, Kronbichler, Wall and Meier, arXiv 2402.17580; numbers in
brackets are its equations. Its state is (X_as, X_am, Y): the stable alpha and martensite
fractions, and the beta fraction above 1 - X_max of a point in which X_as + X_am is so close to its
largest value X_max = 0.9 that the difference is lost in rounding. Y is 0 elsewhere.
"""
