"""What the project is released and documented with; no part of any wheel."""
