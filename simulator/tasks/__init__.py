"""Tasks: what was ordered, how long it takes, what becomes of it, and for which account."""
