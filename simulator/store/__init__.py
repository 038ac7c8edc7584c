"""The simulated object store: signatures, ranges, errors."""
