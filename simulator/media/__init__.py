"""The videos: encoded in segments, assembled per task, served from memory or generated while sending."""
