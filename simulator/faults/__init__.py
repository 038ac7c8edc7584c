"""Faults on demand: the kinds, the rules that arm them, and what they do to a call."""
