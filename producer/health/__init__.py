"""Whether every part works: one definition of each check, for `/readyz` and `reelq doctor`."""
