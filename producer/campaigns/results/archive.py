"""The videos of a campaign as one ZIP file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from typing import IO

from producer.campaigns.results.download import NotWhole, Videos
from producer.campaigns.results.results import Result


def write_archive(file: IO[bytes], videos: Videos, named: Sequence[tuple[str, Result]]) -> int:
    """Write the videos, uncompressed, because videos do not shrink; returns their bytes. Memory stays flat.

    Raises:
        StoreUnavailable: the store does not respond, or a video is missing there.
        NotWhole: an object is not the video that was stored.
    """
    total = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, result in named:
            job = result.job
            moment = (job.finished_at or job.created_at).timetuple()[:6]
            entry = zipfile.ZipInfo(name, (max(moment[0], 1980), *moment[1:]))
            entry.file_size = job.size_bytes or 0
            entry.external_attr = 0o644 << 16
            sha256 = hashlib.sha256()
            with archive.open(entry, "w", force_zip64=True) as written:
                for chunk in videos.chunks(result):
                    written.write(chunk)
                    sha256.update(chunk)
                    total += len(chunk)
            if job.sha256 not in (None, sha256.hexdigest()):
                raise NotWhole(f"{name}: the bucket's object is not the video that was stored")
    return total
