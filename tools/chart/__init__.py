"""Lint, render and check the Helm chart with Helm's own code; see `__main__`."""
