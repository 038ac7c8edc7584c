"""The demo: a small campaign through the whole system on one machine. It is not part of the runtime wheel."""
