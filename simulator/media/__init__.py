"""The videos: encoded in pieces, put together per task, served from memory or made on the fly."""
