"""A machine of its own with a real systemd, on this kernel: for the units of `deploy/systemd`."""
