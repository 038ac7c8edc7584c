"""What a user would otherwise write: the same work on other job queues, one file each.

They run in an environment of their own (`.venv-bench`) and import nothing of reelq's.
"""
