"""Requests, answers, and Ark's errors, which several gateways pass on."""
