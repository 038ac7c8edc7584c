"""The demonstration: a small campaign through the whole system, on one machine. Not a part of the runtime wheel."""
