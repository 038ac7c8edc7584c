"""How every process of reelq logs: one line per event, with the fields that tell one job's story."""
