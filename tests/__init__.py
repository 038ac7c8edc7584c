"""Tests of reelq."""

import sys

# pytest rewrites the files of hypothesis, too, which `conftest` imports: kept compiled, also where the environment
# forbids Python to write, they save each process of a run a second of CPU.
sys.dont_write_bytecode = False
