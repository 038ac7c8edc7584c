"""Local files that requests name: checked, hashed, and stored once per tenant and content in the bucket."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from producer.intake.job_spec import JobSpec
from producer.intake.media_check import MediaFacts, Probe
from producer.intake.shelf import Shelf, ShelfFile
from seedance.gateways.checks import canonical_format
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput, Problem
from seedance.request import Modality

MAX_INPUT_BYTES = 512 * 1024 * 1024  # above what any gateway takes; keeps a mistaken path from filling the bucket

Progress = Callable[[int, int], None]
"""Called with the number done and the total."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to store; `reference` is how requests name it."""

    path: Path
    reference: str
    size_bytes: int
    modified_ns: int


class LocalFiles:
    """The local files of one batch: each is read once, however many rows name it."""

    def __init__(self, base: Path | None) -> None:
        """`base`: what relative paths start from; None: local paths are refused."""
        self._base = base
        self._seen: dict[tuple[Path, Modality], Upload] = {}
        self._probe = Probe()
        self.facts: dict[str, MediaFacts] = {}
        """What each file is, by its reference."""
        self.given: dict[str, str] = {}
        """upload:// and asset:// references given in rows, and the field of each."""

    def close(self) -> None:
        """End the probe; the results stay."""
        self._probe.close()

    @property
    def uploads(self) -> list[Upload]:
        return list({upload.reference: upload for upload in self._seen.values()}.values())

    def replace(self, spec: JobSpec) -> JobSpec:
        """The same job with every local path replaced by the reference of its content.

        Raises:
            InvalidInput: a file is missing, empty, not a regular file, cannot be read, or is not what its name says.
        """
        replaced: dict[str, str] = {}
        problems = []
        for name, modality, value in spec.media():
            match media_kind(value):
                case MediaKind.PATH:
                    try:
                        replaced[name] = self._upload(value, modality).reference
                    except ValueError as exc:
                        problems.append(Problem(name, str(exc)))
                case MediaKind.UPLOAD if value not in self.facts:
                    self.given.setdefault(value, name)
                case MediaKind.ASSET:
                    self.given.setdefault(value, name)
        if problems:
            raise InvalidInput(problems)
        return spec.with_media(replaced)

    def add(self, path: Path, modality: Modality, name: str) -> str:
        """Add a file that a client sent, stored at `path` for now; return the reference of its content.

        Raises:
            ValueError: it is empty, too large, or cannot be read as that kind of file; the text calls it by `name`.
        """
        try:
            upload, facts = inspect(path, modality, self._probe)
        except ValueError as exc:
            raise ValueError(str(exc).replace(str(path), name)) from exc
        self._seen[path, modality] = upload
        self.facts[upload.reference] = replace(facts, name=name)
        return upload.reference

    def _upload(self, value: str, modality: Modality) -> Upload:
        if self._base is None:
            raise ValueError(
                "a local path is not taken here; upload the file, or give an http(s) URL, a data URI or asset://ID"
            )
        path = self._base / Path(value).expanduser()
        if (path, modality) not in self._seen:
            upload, facts = inspect(path, modality, self._probe)
            self._seen[path, modality] = upload
            self.facts[upload.reference] = facts
        return self._seen[path, modality]


def inspect(path: Path, modality: Modality, probe: Probe) -> tuple[Upload, MediaFacts]:
    """Hash and probe a file.

    Raises:
        ValueError: it is missing, empty, not a regular file, cannot be read, or is not what its name says.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ValueError(f"{path} is a directory, not a file")
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is not a regular file")
        if found.st_size == 0:
            raise ValueError(f"{path} is empty")
        if found.st_size > MAX_INPUT_BYTES:
            raise ValueError(f"{path} has {found.st_size:,} bytes; at most {MAX_INPUT_BYTES:,}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    facts = probe.look(path, modality, found.st_size)
    extension = path.suffix.lower().removeprefix(".")
    if canonical_format(extension) != facts.format:  # stores and gateways go by the name
        extension = facts.format
    return Upload(path, f"upload://{digest}.{extension}", found.st_size, found.st_mtime_ns), facts


def store(files: LocalFiles, shelf: Shelf, progress: Progress | None = None) -> None:
    """Upload the files that the tenant does not have yet, and check that it has those that rows name.

    Raises:
        InvalidInput: a file changed since it was probed, or the tenant does not have a file or asset that a row names.
        UploadsFull: the tenant would have too many files.
        StoreUnavailable: the object store does not answer, or refuses us.
    """
    shelf.check(files.given)
    uploads = files.uploads
    if not uploads:
        return
    from storage.bucket.objects import Objects  # boto3 takes long to import, and few jobs need it

    objects = Objects(shelf.settings)

    def on_shelf(upload: Upload) -> ShelfFile:
        def put(key: str) -> None:
            _check_unchanged(upload)
            objects.put_file(upload.path, key)
            _check_unchanged(upload)

        facts = files.facts[upload.reference]
        return ShelfFile(upload.reference, upload.size_bytes, facts.name, put, facts.properties())

    for done, _ in enumerate(shelf.keep([on_shelf(upload) for upload in uploads]), 1):
        if progress is not None:
            progress(done, len(uploads))


def _check_unchanged(upload: Upload) -> None:
    """A file is stored under its hash, so it must not have changed after it was hashed."""
    found = os.stat(upload.path)
    if (found.st_size, found.st_mtime_ns) != (upload.size_bytes, upload.modified_ns):
        raise InvalidInput([Problem("", f"{upload.path} changed while it was being uploaded; try again")])
