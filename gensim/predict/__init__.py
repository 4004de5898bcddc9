"""Stage of `gensim predict`: which grains grow where in a part, from its run at part scale.

    RUN/arrivals.csv ─ places ─► condition of each place ─ sample ─► images ─ section, picture,
                                                                              volume ─► DIR

A *place* is a point of the part; its condition is the nominal power, the speed, and the temperature
of the solid before the beam came within `arrivals.reach`, read from the run: without the heat of
the lines beside the one that melts the place, as in the simulations that taught the models. An
image is what a section across the lines looks like around it, had all layers of the image the
condition of the place and were its top that of the part. Its middle has the middle of a track.
"""
