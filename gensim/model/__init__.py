"""The networks, the embedding of conditions, what is frozen, and the folder a model is kept in."""
