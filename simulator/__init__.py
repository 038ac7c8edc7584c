"""A simulated gateway: every dialect, faults on demand, real MP4s. It imports no other package of this repository."""
