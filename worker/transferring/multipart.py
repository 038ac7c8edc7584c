"""A multipart upload: begin, send part by part, complete or abort."""

from __future__ import annotations

import asyncio
import logging

import aiohttp

from storage.bucket import exchanges
from storage.bucket.answers import Answer
from storage.bucket.checksums import Checksum, Sums
from storage.bucket.exchanges import Exchange
from storage.bucket.multipart import is_completed, sign_abort, sign_complete, upload_id_in
from storage.bucket.objects import PART_BYTES
from storage.bucket.refusals import ABORT_RIGHT, RIGHTS, refused
from storage.bucket.requests import Part, Requests, SignedRequest, StoreUnavailable
from worker.failpoints import failpoint
from worker.transferring.capacity import Spare
from worker.transferring.part_buffer import PartBuffer, Slabs
from worker.transferring.store_requests import ask

log = logging.getLogger("reelq.upload")

_GONE = 404
_aborting: set[asyncio.Task[None]] = set()
"""Strong references: an event loop keeps only weak ones to its tasks."""


AT_ONCE = 4
"""How many parts of a video are sent at the same time, while there is memory to spare."""


class Parts:
    """A multipart upload in progress: parts are sent while the next one is filled. The copy itself has memory for the
    part that is filled and for one that is sent; each further one takes what is spare."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        objects: Requests,
        key: str,
        upload_id: str,
        checksum: Checksum,
        slabs: Slabs | None = None,
        spare: Spare | None = None,
    ) -> None:
        self._session = session
        self._checksum: Checksum = checksum
        self._slabs = slabs
        self._objects = objects
        self._key = key
        self._upload_id = upload_id
        self._spare = spare
        self._taken = 0
        self._parts: dict[int, Part] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._count = 0

    @classmethod
    async def begin(
        cls,
        session: aiohttp.ClientSession,
        objects: Requests,
        key: str,
        content_type: str,
        filename: str | None = None,
        slabs: Slabs | None = None,
        spare: Spare | None = None,
    ) -> Parts:
        """Begin an upload. `filename`: the name under which browsers save the object. `slabs`: where the memory of
        stored parts goes, except that of the first, which others may still read. `spare`: None: two at once.

        Raises:
            StoreUnavailable: the store refuses it.
        """
        checksum: Checksum = "none"

        def beginning() -> exchanges.Exchange[Answer]:
            nonlocal checksum
            answer, checksum = yield from exchanges.begin(objects, key, content_type, filename)
            return answer

        answer = await ask(session, beginning)
        upload_id = upload_id_in(answer.body) if answer.status == 200 else None
        if upload_id is None:
            raise refused(objects, answer, RIGHTS["PUT"], step="multipart upload, begin")
        return cls(session, objects, key, upload_id, checksum, slabs, spare)

    async def add(self, part: PartBuffer) -> None:
        """Start to send the next part, and return as soon as there is memory for the one after it.

        Raises:
            StoreUnavailable: the store refused a part.
        """
        self._count += 1
        self._sending.add(asyncio.create_task(self._send(self._count, part)))
        self._settle()
        while len(self._sending) > 1 + self._taken and not self._take_spare():
            await self._await_one()

    def _take_spare(self) -> bool:
        if len(self._sending) >= AT_ONCE or self._spare is None or not self._spare.take(PART_BYTES):
            return False
        self._taken += 1
        return True

    async def _await_one(self) -> None:
        await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)  # cancelled: `abort` ends them
        self._settle()

    def _settle(self) -> None:
        """Forget the parts that have arrived, and give back the memory that they took."""
        for sent in [task for task in self._sending if task.done()]:
            self._sending.remove(sent)
            sent.result()
        self._give_back(but=max(len(self._sending) - 1, 0))

    def _give_back(self, but: int = 0) -> None:
        while self._taken > but and self._spare is not None:
            self._taken -= 1
            self._spare.give_back(PART_BYTES)

    async def _send(self, number: int, part: PartBuffer) -> None:
        sums = Sums(part.chunks, crc32=part.crc32)
        if not sums.is_known(self._checksum):
            await asyncio.to_thread(sums.value, self._checksum)

        def sending() -> Exchange[Answer]:
            return exchanges.put_part(
                self._objects,
                self._key,
                sums,
                size_bytes=len(part),
                part=(self._upload_id, number),
                checksum=self._checksum,
            )

        answer = await ask(self._session, sending, part.chunks)
        if answer.status != 200:
            raise refused(self._objects, answer, RIGHTS["PUT"], step=f"multipart upload, part {number}")
        self._parts[number] = Part(number, answer.etag, sums.value(self._checksum))
        if self._slabs is not None and number > 1:
            self._slabs.give(part.chunks)
        failpoint("transfer.after_first_part")

    async def complete(self) -> None:
        """Join the parts into one object.

        Raises:
            StoreUnavailable: the store refused a part, or does not complete the upload.
        """
        while self._sending:
            await self._await_one()
        answer = await ask(self._session, lambda: exchanges.once(self._objects, self._sign_complete))
        if answer.status != 200 or not is_completed(answer.body):
            raise refused(self._objects, answer, RIGHTS["PUT"], step="multipart upload, complete")

    def _sign_complete(self) -> SignedRequest:
        parts = [self._parts[number] for number in sorted(self._parts)]
        return sign_complete(self._objects, self._key, self._upload_id, parts, self._checksum)

    def _sign_abort(self) -> SignedRequest:
        return sign_abort(self._objects, self._key, self._upload_id)

    async def abort(self) -> None:
        """Abort the upload. If the caller is cancelled, it stops waiting, and the abort still runs to its end."""
        aborting = asyncio.create_task(self._abort())
        _aborting.add(aborting)
        aborting.add_done_callback(_aborting.discard)
        await asyncio.shield(aborting)

    async def _abort(self) -> None:
        try:
            for sending in self._sending:  # a part still on its way would recreate the upload
                sending.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)
            answer = await ask(self._session, lambda: exchanges.once(self._objects, self._sign_abort))
            if answer.status not in (200, 204, _GONE):
                raise refused(self._objects, answer, ABORT_RIGHT, step="multipart upload, abort")
        except StoreUnavailable as exc:
            self._not_aborted(exc)
        except asyncio.CancelledError as exc:
            self._not_aborted(exc)
            raise
        finally:
            self._give_back()

    def _not_aborted(self, why: BaseException) -> None:
        log.warning("upload.not_aborted key=%s upload_id=%s error=%r", self._key, self._upload_id, why)
