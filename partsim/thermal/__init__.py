"""Stage 3: the heat equation on the blocks, its source and its losses."""
