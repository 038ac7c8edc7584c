"""A gateway to practise against: every dialect, faults on demand, real MP4s. It imports nothing else of ours."""
