"""Tasks: the request, the generation time, the outcome and the account."""
