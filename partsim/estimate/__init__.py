"""Stage 6: what to expect of a build before it is simulated, without resolving the scan."""
