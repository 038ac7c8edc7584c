"""What became of a campaign's rows: the sheet with the results beside it, the videos, and a wall to look at."""
