"""Stage 2: the block octree that grows, its nodes, its partition, its transfer."""
