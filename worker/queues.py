"""The queues of workers, which other programs know by these names."""

QUEUES = ("submit", "poll", "transfer", "notify")
