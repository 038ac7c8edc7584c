"""Delete what nothing needs any more: files of deleted jobs, old uploads, old segments of the journal."""
