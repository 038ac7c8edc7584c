"""The parts of `bench.growth`: sizes and their rows, and the statements that are measured."""
