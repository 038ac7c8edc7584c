"""The tables of kept counts."""
