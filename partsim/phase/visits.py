"""What a phase step counts: how many batches went through each section of its code.

REST and FORMING count points; all others count batches of WIDTH lanes, each row of a loop over
several rows, and each round of the fixed point. work.py tells what a visit costs.
"""

(
    REST,  # points whose block rests
    FORMING,  # points whose block rests but for (29)
    READ,  # from memory
    LOADED,  # what it needs looked up
    COMPARED,  # whether it is pure and stays so
    COOLING,  # some lane may form martensite: its bound is evaluated
    WRITTEN,  # to memory, unless nothing in it could change
    CHANGED,  # one explicit step, or one substep of the implicit scheme
    ADMITTED,  # hot: (31), (30) at the old temperature, and what only lanes above alpha_end need
    SHIFTED,  # Y has changed and is written
    EQUILIBRIA,  # (17) evaluated
    SATURATIONS,  # (18)
    SLOWNESSES,  # (28)
    SUPPLIED,  # what drives (25), (26), over X_as
    RAISED,  # powers of (25), (26)
    GROWN,  # (25), (26)
    EULER,  # (25), (26) and (41) where nothing dissolves or starts
    STARTED,  # from X_as = 0
    HOT_EULER,  # (41) where something may dissolve or start, or has waited
    SOUGHT,  # whether (27) acts
    FOUND,  # (27)
    ARRESTED,  # whether (69) replaces it
    CREPT,  # (69)
    KNOWN,  # the part of (44) that is known beforehand
    ITERATED,  # (45)-(49)
    SCALED,  # X_a above its largest value
    GATED,  # (29), (30)
    MELTED,  # hot: (31), no phase in the melt
    LATE,  # second order for a block that has waited
    MEASURED,  # how long the block may rest
) = range(30)

SECTIONS = 30
