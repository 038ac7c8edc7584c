"""One file per dialect: the requests its gateway accepts and the format of its answers."""
