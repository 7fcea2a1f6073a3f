"""Uploads and deliveries in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ingestor.access import scope
from ingestor.access.limits.quotas import NO_LIMITS, QuotaLimits, QuotaName, check
from ingestor.services.upload.ports import Deliveries, NoRoomError, ProcessRecords, Uploads
from ingestor.services.upload.uploads import Content, Delivery, Repair, Upload, UploadState
from ingestor.stores.keys import text_key
from tests.fakes.limits.quotas import MemoryUsage


def _sent(upload: Upload) -> tuple[str, str, str | None]:
    return upload.tenant, upload.creator, upload.request_id


def _seen(upload: Upload) -> bool:
    return scope.visible() in (upload.tenant, scope.EVERYTHING)


@dataclass
class _Work:
    delivery: Delivery
    due: datetime
    owner: str | None = None
    until: datetime | None = None
    done: bool = False
    converts: bool = False


class MemoryUploads(Uploads, Deliveries, ProcessRecords):
    def __init__(self) -> None:
        self.uploads: dict[str, Upload] = {}
        self.touched: dict[str, datetime] = {}
        self.work: dict[str, _Work] = {}
        self.usage = MemoryUsage()

    def _stored(self) -> int:
        return sum(
            max(upload.committed_size, upload.declared_size * (upload.state is UploadState.OPEN))
            for upload in self.uploads.values()
            if upload.state is not UploadState.ABORTED and _seen(upload)
        )

    async def add(
        self, upload: Upload, limits: QuotaLimits = NO_LIMITS, *, room: int | None = None
    ) -> Upload:
        for known in self.uploads.values():
            if upload.request_id and _sent(known) == _sent(upload):
                return known
        opened = sum(u.state is UploadState.OPEN and _seen(u) for u in self.uploads.values())
        check(QuotaName.OPEN_UPLOADS, limits, opened)
        announced = sum(
            max(0, u.declared_size - u.committed_size)
            for u in self.uploads.values()
            if u.state is UploadState.OPEN and _seen(u)
        )
        check(QuotaName.BYTES_ANNOUNCED, limits, announced, upload.declared_size)
        if room is not None and (room <= 0 or announced + upload.declared_size > room):
            raise NoRoomError(announced)
        check(QuotaName.BYTES_STORED, limits, self._stored(), upload.declared_size)
        self.usage.spend(QuotaName.BYTES_PER_DAY, upload.declared_size, limits)
        self.uploads[upload.upload_id] = upload
        self.touched[upload.upload_id] = upload.created
        return upload

    async def get(self, upload_id: str) -> Upload | None:
        found = self.uploads.get(upload_id)
        return found if found and _seen(found) else None

    async def commit(
        self, upload_id: str, old: int, new: int, now: datetime, limits: QuotaLimits = NO_LIMITS
    ) -> int:
        upload = await self.get(upload_id)
        if upload is None:
            return old
        if upload.committed_size == old and upload.state is UploadState.OPEN:
            if not upload.declared_size:
                check(QuotaName.BYTES_STORED, limits, self._stored(), new - old)
                self.usage.spend(QuotaName.BYTES_PER_DAY, new - old, limits)
            upload = self.uploads[upload_id] = replace(upload, committed_size=new)
            self.touched[upload_id] = now
        return upload.committed_size

    async def complete(
        self,
        upload_id: str,
        process_id: str,
        pipeline: str,
        version: int,
        dialect: str,
        now: datetime,
        repair: Repair | None = None,
        limits: QuotaLimits = NO_LIMITS,
    ) -> str:
        upload = self.uploads[upload_id]
        if upload.state is not UploadState.OPEN:
            return str(upload.process_id)
        running = sum(not w.done and w.delivery.upload.tenant == upload.tenant for w in self.work.values())
        check(QuotaName.RUNNING_PROCESSES, limits, running)
        upload = replace(upload, state=UploadState.COMPLETED, process_id=process_id)
        self.uploads[upload_id] = upload
        delivery = Delivery(process_id, upload, pipeline, version, 0, dialect, repair=repair)
        self.work[process_id] = _Work(delivery, now)
        return process_id

    async def abort(self, upload_id: str) -> bool:
        upload = await self.get(upload_id)
        if upload is None or upload.state is UploadState.COMPLETED:
            return False
        if upload.state is UploadState.OPEN:
            self.usage.give_back(QuotaName.BYTES_PER_DAY, upload.declared_size - upload.committed_size)
        self.uploads[upload_id] = replace(upload, state=UploadState.ABORTED)
        return True

    async def kept(self) -> tuple[int, int, int]:
        found = [
            upload.committed_size
            for upload in self.uploads.values()
            if upload.state is not UploadState.ABORTED and upload.tenant == scope.tenant()
        ]
        converted = [
            work.delivery.content.size
            for work in self.work.values()
            if work.delivery.content and work.delivery.content.file_key != work.delivery.upload.file_key
        ]
        return len(found), sum(found), sum(converted)

    async def abandoned(self, before: datetime, limit: int) -> Sequence[Upload]:
        found = [
            upload
            for upload in self.uploads.values()
            if upload.state is UploadState.OPEN and self.touched[upload.upload_id] < before
        ]
        return found[:limit]

    async def take(
        self, owner: str, now: datetime, until: datetime, *, converts: bool = False, of_idle: bool = False
    ) -> Delivery | None:
        def is_free(work: _Work) -> bool:
            return work.until is None or work.until < now

        at_work = Counter(
            work.delivery.upload.tenant for work in self.work.values()
            if not work.done and not is_free(work) and work.converts == converts
        )  # fmt: skip
        for work in sorted(self.work.values(), key=lambda w: (at_work[w.delivery.upload.tenant], w.due)):
            idle = not at_work[work.delivery.upload.tenant]
            if (
                work.converts == converts
                and not work.done
                and work.due <= now
                and is_free(work)
                and (idle or not of_idle)
            ):
                work.owner, work.until = owner, until
                work.delivery = replace(work.delivery, attempts=work.delivery.attempts + 1)
                return work.delivery
        return None

    async def renew(self, process_id: str, owner: str, until: datetime) -> bool:
        work = self.work[process_id]
        if work.owner != owner:
            return False
        work.until = until
        return True

    async def needs_conversion(self, process_id: str, owner: str) -> None:
        work = self.work[process_id]
        work.converts |= work.owner == owner

    async def keep_content(self, process_id: str, owner: str, content: Content) -> None:
        work = self.work[process_id]
        if work.owner == owner:
            work.delivery, work.converts = replace(work.delivery, content=content), False

    async def done(self, process_id: str, owner: str, now: datetime) -> None:
        work = self.work[process_id]
        if work.owner == owner:
            work.done, work.owner, work.until = True, None, None

    async def give_back(self, process_id: str, owner: str, due: datetime, *, failed: bool = False) -> None:
        work = self.work[process_id]
        if work.owner == owner:
            work.due, work.owner, work.until = due, None, None
            work.delivery = replace(work.delivery, failures=work.delivery.failures + failed)

    async def waiting(self) -> int:
        return sum(not work.done for work in self.work.values())

    async def close(self, process_id: str, now: datetime) -> bool:
        work = self.work.get(process_id)
        if work is None or work.done:
            return True
        if work.until is not None and work.until >= now:
            return False
        work.done, work.owner, work.until = True, None, None
        return True

    async def files(self, process_id: str) -> Sequence[str]:
        keys = set[str]()
        for upload in self.uploads.values():
            if upload.process_id == process_id and _seen(upload):
                keys |= {upload.file_key, text_key(upload.file_key)}
                content = self.work[process_id].delivery.content
                keys |= {content.file_key} if content else set()
        return sorted(keys)

    async def forget(self, process_id: str) -> None:
        for upload in list(self.uploads.values()):
            if upload.process_id == process_id and _seen(upload):
                del self.uploads[upload.upload_id]
                self.work.pop(process_id, None)
