"""Stage 5: files and pictures of a run, which does not know that it is watched.

    snapshot     fields of one time as a VTKHDF file, and the series that names the times
    slices       plane cuts through a snapshot, without reading all of it
    panels       layout and colours of figures
    picture      PNGs of a run
    checkpoint   everything a run needs to go on
    history      tables that grow while the run goes on
    probes       values at fixed points over time
    solidification, window, arrivals  passages of the liquidus, a box over time, what the beam meets
    summary      what the run did, in numbers
    records      all of these, called by the build; events: the log; signals: what stops a run
    progress     how far the run is
    shared_file  one HDF5 file written by all ranks, whole or absent
"""
