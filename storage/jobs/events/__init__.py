"""The log of all events, followed from a position on."""
