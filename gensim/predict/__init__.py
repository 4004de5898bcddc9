"""Stage of `gensim predict`: which grains grow where in a part, from its run at part scale.

    RUN/arrivals.csv ─ places ─► condition of each place ─ sample ─► images ─ picture, volume ─► DIR

A *place* is a point of the part; its condition is the nominal power, the speed, and the temperature
of the solid just before the beam came there, read from the run. An image is what a section across
the lines looks like around it, had all layers of the image the condition of the place.
"""
