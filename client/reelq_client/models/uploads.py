"""Files that were uploaded for jobs."""

from __future__ import annotations

from reelq_client.models.base import Model


class Upload(Model):
    """A stored file; a job names it by its `url`, `upload://…`."""

    url: str
