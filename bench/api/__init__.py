"""Enqueueing: through the API by a load from outside, and with the Python client."""
