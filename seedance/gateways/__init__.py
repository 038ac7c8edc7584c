"""One file per gateway: how it says what we want, and how we read what it answers. No I/O here."""
