"""The proof that the object store works: a video goes the way that the worker's videos go, and comes back by a link."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from seedance.network.sessions import failure_text
from storage.bucket import exchanges, multipart
from storage.bucket.answers import Answer
from storage.bucket.checksums import Checksum, Sums
from storage.bucket.connection import follow, open_session
from storage.bucket.objects import PART_BYTES, Objects
from storage.bucket.refusals import RIGHTS, SKEW_S, fault_of, skew_of
from storage.bucket.requests import Part, StoreUnavailable
from storage.settings import Settings

ANSWER_S, LIMIT_S, CLEAN_UP_S = 8.0, 18.0, 3.0
"""For the first small object, for everything, and for deleting what was stored."""
LINK_S = 300.0
_TYPE = "video/mp4"
_EXTRAS = {
    "s3_tags": "s3:PutObjectTagging",
    "s3_kms_key_id": "kms:GenerateDataKey and kms:Decrypt",
    "s3_encryption": "",
    "s3_storage_class": "",
}
"""Settings that a store may not know, and the rights that they need."""


class Proof(NamedTuple):
    """Whether videos can be stored and opened, and what was seen. `code`: the row of docs/doctor.md; None: all is
    well. A bucket that works may have a code too, such as for a right that is missing."""

    ok: bool
    message: str
    code: str | None = None


def prove_store(settings: Settings, *, journal: bool = True) -> Proof:
    """Store a small object with one PUT and one of 8 MiB in two parts, read both by links, write one where the journal
    is, and delete them. `journal` False: this bucket is a tenant's, where no journal is.

    Raises:
        StoreUnavailable: the store does not respond.
    """

    async def run() -> Proof:
        async with asyncio.timeout(LIMIT_S), open_session(settings.outbound()) as session:
            return await _Proof(settings, session, journal=journal).run()

    try:
        return asyncio.run(run())
    except TimeoutError:
        text = f"bucket {settings.s3_bucket}: the store took more than {LIMIT_S:g} s for two small objects"
        return Proof(False, f"{text}; look at its load and at the network between", "store_slow")


class _Failed(Exception):
    """A step that did not work. The text says why, and what to do."""

    def __init__(self, message: str, code: str = "store_refuses") -> None:
        super().__init__(message)
        self.code = code


class _Proof:
    def __init__(self, settings: Settings, session: aiohttp.ClientSession, *, journal: bool) -> None:
        self._settings = settings
        self._session = session
        self._objects = Objects(settings)
        name = f"{self._objects.keys.probe.removesuffix('probe')}doctor-{os.urandom(6).hex()}"
        self._small, self._large = f"{name}-1.mp4", f"{name}-2.mp4"
        # Readers of the journal leave out what is not the name of a segment.
        self._record = f"{self._objects.keys.journal}{name.rpartition('/')[2]}" if journal else None
        self._notes: list[tuple[str, str]] = []

    async def run(self) -> Proof:
        await asyncio.to_thread(self._objects.get_ready)
        try:
            await self._put_first()
            await self._put_parts()
            await self._put_record()
            await self._open_link(self._small, b"small")
            await self._open_link(self._large, None)
        except _Failed as exc:
            where = f"bucket {self._objects.bucket} at {self._objects.traits.place.base}"
            return Proof(False, f"{where}: {exc}", exc.code)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLEAN_UP_S):
                    await self._delete()
        self._compare_region()
        said = "; ".join([self._summary(), *(text for _, text in self._notes)])
        return Proof(True, said, self._notes[0][0] if self._notes else None)

    def _compare_region(self) -> None:
        region, found = self._settings.s3_region, self._objects.traits.place.region
        if region is not None and region != found:
            text = f"s3_region is {region}, but the store says {found}; set it, so that each process need not learn it"
            self._notes.append(("store_region", text))

    def _compare_clock(self, answer: Answer) -> None:
        skew_s = skew_of(answer)
        if skew_s is not None and abs(skew_s) > SKEW_S:
            text = f"the clocks of this host and the store differ by {abs(skew_s):.0f} s; set both by NTP"
            self._notes.append(("store_clock", text))

    def _summary(self) -> str:
        traits = self._objects.traits
        place, checksum = traits.place, traits.checksum
        style = "virtual" if place.virtual else "path"
        return (
            f"{place.bucket} is usable: one PUT, two parts and links work; region {place.region}, {style} addressing, "
            f"checksum {checksum}, {self._objects.outbound.describe(place.base)}"
        )

    async def _put_first(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._put(self._small)
        except TimeoutError:
            raise _Failed(
                f"did not store a few bytes within {ANSWER_S:g} s; look at its load and at the network between",
                "store_slow",
            ) from None

        if answer.status != 200:
            raise self._failed("PUT", "a PUT", answer)
        self._compare_clock(answer)

    async def _put_record(self) -> None:
        """Write where the journal is written: a policy may allow videos alone."""
        if self._record is None:
            return
        answer = await self._put(self._record)
        if answer.status == 200:
            return
        below = self._objects.keys.journal
        code, advice = fault_of(answer, RIGHTS["PUT"])
        if code == "store_right":
            code, advice = "journal_right", f"allow {RIGHTS['PUT']} for this key below {below} too"
        said = f"a PUT below {below} is refused ({answer.describe()}): a restored database would submit jobs again"
        self._notes.append((code, f"{said}; {advice}" if advice else said))

    async def _put(self, key: str) -> Answer:
        body = b"small"
        sha256 = hashlib.sha256(body).hexdigest()
        sums = Sums([memoryview(body)])
        putting = exchanges.put(
            self._objects, key, sums, size_bytes=len(body), sha256=sha256, content_type=_TYPE, filename="a.mp4"
        )
        return await follow(self._session, putting, [memoryview(body)])

    async def _put_parts(self) -> None:
        answer, checksum = await follow(
            self._session, exchanges.begin(self._objects, self._large, _TYPE, filename="a.mp4")
        )
        upload_id = multipart.upload_id_in(answer.body) if answer.status == 200 else None
        if upload_id is None:
            raise self._failed("PUT", "a multipart upload", answer)
        try:
            parts = [await self._part(upload_id, 1, bytes(PART_BYTES), checksum)]
            parts.append(await self._part(upload_id, 2, b"end", checksum))
            answer = await follow(
                self._session,
                exchanges.once(
                    self._objects,
                    lambda: multipart.sign_complete(self._objects, self._large, upload_id, parts, checksum),
                ),
            )
            if answer.status != 200 or not multipart.is_completed(answer.body):
                raise self._failed("PUT", "completing a multipart upload", answer)
        except _Failed:
            abort = exchanges.once(self._objects, lambda: multipart.sign_abort(self._objects, self._large, upload_id))
            await follow(self._session, abort)
            raise

    async def _part(self, upload_id: str, number: int, data: bytes, checksum: Checksum) -> Part:
        sums, part = Sums([memoryview(data)]), (upload_id, number)
        sending = exchanges.put_part(
            self._objects, self._large, sums, size_bytes=len(data), part=part, checksum=checksum
        )
        answer = await follow(self._session, sending, [memoryview(data)])
        if answer.status != 200:
            raise self._failed("PUT", "a part of a multipart upload", answer)
        return Part(number, answer.etag, sums.value(checksum))

    async def _open_link(self, key: str, expected: bytes | None) -> None:
        url = await asyncio.to_thread(self._objects.link, key, LINK_S)
        where = urlsplit(url).netloc
        try:
            async with self._session.get(url, headers={"Range": "bytes=0-9"}, allow_redirects=False) as response:
                body = await response.content.read(64 * 1024)
                headers = {name.lower(): value for name, value in response.headers.items()}
        except (aiohttp.ClientError, OSError) as exc:
            why = failure_text(exc)
            text = f"links lead to {where}, which does not answer from here ({why}); open one from a client"
            note = ("links_unreachable", text)
            if note not in self._notes:
                self._notes.append(note)
            return
        if response.status not in (200, 206):
            raise self._failed("GET", f"a link to {where}", Answer(response.status, headers, body))
        if body[:5] != (expected or bytes(5)):
            raise _Failed(
                f"a link to {where} gives other bytes; does s3_public_endpoint_url lead to the same store?",
                "links_elsewhere",
            )

    async def _delete(self) -> None:
        for key in filter(None, (self._small, self._large, self._record)):
            try:
                answer = await follow(
                    self._session, exchanges.once(self._objects, partial(self._objects.sign_delete, key))
                )
            except StoreUnavailable as exc:
                self._notes.append(("store_delete_right", f"DELETE: {exc}"))
                return
            if answer.status not in (200, 204, 404):
                text = f"DELETE is refused ({answer.describe()}): deleted jobs keep their files"
                self._notes.append(("store_delete_right", f"{text}; allow {RIGHTS['DELETE']}"))
                return

    def _failed(self, method: str, what: str, answer: Answer) -> _Failed:
        used = [name for name in _EXTRAS if getattr(self._settings, name)]
        rights = [RIGHTS[method], *(_EXTRAS[name] for name in used if _EXTRAS[name] and method == "PUT")]
        code, advice = fault_of(answer, *rights)
        if not advice and used and method == "PUT":
            advice = f"the store may not know what these ask for: {', '.join(used)}"
        elif not advice and not self._objects.traits.proven and not self._objects.traits.place.virtual:
            advice = 'if the store wants the bucket in the host name, set s3_addressing_style = "virtual"'
        return _Failed(f"{what} is refused: {answer.describe()}" + (f"; {advice}" if advice else ""), code)
