"""The object store behind the links: signatures, ranges, errors."""
