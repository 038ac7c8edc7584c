"""The demo: a small campaign through the whole system on one machine. It needs the extra `local`."""
