"""Faults on demand: their kinds, the rules that select calls, and their effect on a call."""
