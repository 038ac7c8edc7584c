"""The alternatives to reelq: the same work on other job queues, one file each.

They run in a separate environment (`.venv-bench`) and import nothing from reelq.
"""
