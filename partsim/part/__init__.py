"""What is built, of what, and how the beam runs: pure functions of place and time."""
