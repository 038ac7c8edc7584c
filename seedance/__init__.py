"""What to generate, and how to ask each gateway for it. No database, no Celery; only `client` does HTTP."""
