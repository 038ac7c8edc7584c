"""One file per dialect: what its gateway accepts, and the words and shapes it answers in."""
