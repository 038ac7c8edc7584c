"""What to generate, and how each gateway says it. Pure: no database, no Celery, and one file with HTTP (`client`)."""
