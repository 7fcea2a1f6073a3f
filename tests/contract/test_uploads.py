"""What keeps uploads and deliveries does."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ingestor.access import scope
from ingestor.outcomes import Notice
from ingestor.reports import OriginalTable
from ingestor.services.upload.adapters.pg_uploads import PgUploads
from ingestor.services.upload.uploads import Content, Repair, Upload, UploadState
from ingestor.stores.keys import text_key
from tests.fakes.uploads import MemoryUploads

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool, Stranger

    AnyUploads = PgUploads | MemoryUploads

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["postgres", "memory"])
async def uploads(request: pytest.FixtureRequest, pool_of: OpenPool) -> AnyUploads:
    """Uploads."""
    return PgUploads(await pool_of("upload")) if request.param == "postgres" else MemoryUploads()


def upload(request_id: str | None = None, size: int = 10) -> Upload:
    """A new upload."""
    made = str(uuid.uuid4())
    return Upload(
        made, "default", request_id, "a.csv", size, f"default/{made}", UploadState.OPEN, 0, None, NOW
    )  # fmt: skip


async def test_what_is_added_is_there(uploads: AnyUploads) -> None:
    made = upload()
    assert await uploads.add(made) == made
    assert await uploads.get(made.upload_id) == made
    assert await uploads.get(str(uuid.uuid4())) is None


async def test_what_is_kept_is_counted(uploads: AnyUploads) -> None:
    assert await uploads.kept() == (0, 0, 0)
    first, second, third = upload(), upload(), upload()
    for made, size in ((first, 10), (second, 2**33), (third, 7)):
        await uploads.add(made)
        await uploads.commit(made.upload_id, 0, size, NOW)
    assert await uploads.kept() == (3, 2**33 + 17, 0)
    await uploads.complete(first.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW)
    await uploads.abort(second.upload_id)
    assert await uploads.kept() == (2, 17, 0)
    taken = await uploads.take("me", NOW, NOW)
    assert taken is not None
    content = Content(text_key(first.file_key), 1000, True, "{}")
    await uploads.keep_content(taken.process_id, "me", content)
    assert await uploads.kept() == (2, 17, 1000)


async def test_a_request_id_opens_one_upload(uploads: AnyUploads) -> None:
    first, second, other = upload("r"), upload("r"), upload("q")
    assert await uploads.add(first) == first
    assert await uploads.add(second) == first
    assert await uploads.get(second.upload_id) is None
    assert await uploads.add(other) == other
    without = [await uploads.add(upload()), await uploads.add(upload())]
    assert without[0].upload_id != without[1].upload_id


async def test_of_two_writers_one_goes_on(uploads: AnyUploads) -> None:
    made = await uploads.add(upload())
    assert await uploads.commit(made.upload_id, 0, 4, NOW) == 4
    assert await uploads.commit(made.upload_id, 0, 3, NOW) == 4
    assert await uploads.commit(made.upload_id, 4, 9, NOW) == 9
    assert await uploads.get(made.upload_id) == replace(made, committed_size=9)


async def test_completing_makes_one_delivery(uploads: AnyUploads) -> None:
    made = await uploads.add(upload())
    await uploads.commit(made.upload_id, 0, 10, NOW)
    process = str(uuid.uuid4())
    assert await uploads.complete(made.upload_id, process, "p", 3, '{"format":"csv"}', NOW) == process
    assert await uploads.complete(made.upload_id, str(uuid.uuid4()), "q", 4, "{}", NOW) == process
    assert await uploads.waiting() == 1
    assert await uploads.commit(made.upload_id, 10, 12, NOW) == 10  # it is closed
    found = await uploads.take("me", NOW, NOW + LEASE)
    assert found is not None
    assert (found.process_id, found.pipeline, found.pipeline_version, found.attempts) == (process, "p", 3, 1)
    assert (found.dialect, found.content, found.repair) == ('{"format":"csv"}', None, None)
    assert found.upload == replace(
        made, committed_size=10, state=UploadState.COMPLETED, process_id=process
    )  # fmt: skip


async def test_a_delivery_knows_what_it_repairs(uploads: AnyUploads) -> None:
    made = await uploads.add(upload())
    table = OriginalTable(("id", "", "Größe"), 12, True)
    repair = Repair(str(uuid.uuid4()), "p", 3, table)
    await uploads.complete(made.upload_id, str(uuid.uuid4()), "p", 3, "{}", NOW, repair)
    found = await uploads.take("me", NOW, NOW + LEASE)
    assert found is not None
    assert found.repair == repair


async def test_an_open_upload_can_be_aborted(uploads: AnyUploads) -> None:
    made, done = await uploads.add(upload()), await uploads.add(upload())
    assert await uploads.abort(made.upload_id)
    assert await uploads.abort(made.upload_id)
    found = await uploads.get(made.upload_id)
    assert found is not None
    assert found.state is UploadState.ABORTED
    await uploads.complete(done.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW)
    assert not await uploads.abort(done.upload_id)


async def test_abandoned_are_open_and_untouched(uploads: AnyUploads) -> None:
    old, touched, closed = [await uploads.add(upload()) for _ in range(3)]
    await uploads.commit(touched.upload_id, 0, 1, NOW + 10 * SECOND)
    await uploads.complete(closed.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW)
    assert await uploads.abandoned(NOW + SECOND, 10) == [old]
    assert await uploads.abandoned(NOW, 10) == []
    assert len(await uploads.abandoned(NOW + 11 * SECOND, 1)) == 1


async def deliver(uploads: AnyUploads, due: datetime = NOW) -> str:
    """A delivery's process."""
    made = await uploads.add(upload())
    return await uploads.complete(made.upload_id, str(uuid.uuid4()), "", 0, "{}", due)


async def taken(uploads: AnyUploads, owner: str, now: datetime) -> str | None:
    """Take a delivery; its process."""
    found = await uploads.take(owner, now, now + LEASE)
    return found.process_id if found else None


async def test_a_lease_is_exclusive_and_runs_out(uploads: AnyUploads) -> None:
    process = await deliver(uploads)
    assert await taken(uploads, "a", NOW - SECOND) is None  # not due yet
    assert await taken(uploads, "a", NOW) == process
    assert await taken(uploads, "b", NOW + LEASE) is None
    assert await uploads.renew(process, "a", NOW + 2 * LEASE)
    assert await taken(uploads, "b", NOW + LEASE + SECOND) is None
    assert await taken(uploads, "b", NOW + 2 * LEASE + SECOND) == process
    assert not await uploads.renew(process, "a", NOW + 9 * LEASE)
    await uploads.done(process, "a", NOW)  # it is b's now
    await uploads.give_back(process, "a", NOW)
    assert await uploads.waiting() == 1
    assert await taken(uploads, "c", NOW + 2 * LEASE + 2 * SECOND) is None
    await uploads.done(process, "b", NOW + 3 * LEASE)
    assert await uploads.waiting() == 0
    assert await taken(uploads, "c", NOW + 99 * LEASE) is None


async def test_what_is_given_back_is_due_then(uploads: AnyUploads) -> None:
    process = await deliver(uploads)
    assert await taken(uploads, "a", NOW) == process
    await uploads.give_back(process, "a", NOW + 5 * SECOND)
    assert await taken(uploads, "b", NOW + 4 * SECOND) is None
    again = await uploads.take("b", NOW + 5 * SECOND, NOW + LEASE)
    assert again is not None
    assert again.attempts == 2


async def test_files_that_need_a_conversion_are_taken_apart(uploads: AnyUploads) -> None:
    slow, plain = await deliver(uploads), await deliver(uploads, NOW + SECOND)
    assert await taken(uploads, "a", NOW) == slow
    await uploads.needs_conversion(slow, "another")  # who has no lease has no say
    await uploads.give_back(slow, "a", NOW)
    assert await taken(uploads, "a", NOW) == slow
    await uploads.needs_conversion(slow, "a")
    await uploads.give_back(slow, "a", NOW)
    assert await taken(uploads, "a", NOW + SECOND) == plain
    assert await taken(uploads, "a", NOW + SECOND) is None
    # The tenant has a delivery, but no conversion.
    until = NOW + LEASE
    found = await uploads.take("a", NOW + SECOND, until, converts=True, of_idle=True)
    assert found is not None
    assert found.process_id == slow
    await uploads.keep_content(slow, "a", Content("k", 1, True, "{}"))
    await uploads.give_back(slow, "a", NOW)
    assert await uploads.take("a", NOW, until, converts=True) is None
    assert await taken(uploads, "a", NOW) == slow


async def test_failures_are_counted(uploads: AnyUploads) -> None:
    process = await deliver(uploads)
    for failures, failed in enumerate((True, False, True)):
        found = await uploads.take("a", NOW, NOW + LEASE)
        assert found is not None
        assert found.failures == (failures + 1) // 2
        await uploads.give_back(process, "a", NOW, failed=failed)
    found = await uploads.take("a", NOW, NOW + LEASE)
    assert found is not None
    assert (found.failures, found.attempts) == (2, 4)


async def test_the_longest_due_comes_first(uploads: AnyUploads) -> None:
    late, early = await deliver(uploads, NOW + SECOND), await deliver(uploads, NOW)
    assert [await taken(uploads, "a", NOW + LEASE) for _ in range(3)] == [early, late, None]


async def test_instances_that_take_together_share(uploads: AnyUploads) -> None:
    expected = {await deliver(uploads) for _ in range(6)}
    found = await asyncio.gather(*(taken(uploads, str(number), NOW) for number in range(8)))
    mine = [process for process in found if process]
    assert len(mine) == len(set(mine))
    rest = [await taken(uploads, "z", NOW) for _ in range(6 - len(mine))]
    assert {*mine, *rest} == expected


async def test_what_a_file_became_is_kept(uploads: AnyUploads) -> None:
    process = await deliver(uploads)
    assert await taken(uploads, "a", NOW) == process
    notice = Notice("other-sheets", "Lists is hidden.", 3, (7, 9))
    content = Content("default/x-text", 77, True, '{"format":"xlsx"}', (notice,))
    await uploads.keep_content(process, "b", Content("other", 1, False, "{}"))  # holds nothing
    await uploads.keep_content(process, "a", content)
    await uploads.give_back(process, "a", NOW)
    again = await uploads.take("b", NOW, NOW + LEASE)
    assert again is not None
    assert again.content == content


async def test_what_is_kept_of_a_process_is_removed(uploads: AnyUploads) -> None:
    made, other = await uploads.add(upload("r")), await uploads.add(upload())
    process = str(uuid.uuid4())
    await uploads.complete(made.upload_id, process, "", 0, "{}", NOW)
    assert await uploads.files(process) == [made.file_key, f"{made.file_key}-text"]
    assert await uploads.take("me", NOW, NOW + LEASE) is not None
    await uploads.keep_content(process, "me", Content("default/elsewhere", 5, True, "{}"))
    assert not await uploads.close(process, NOW + SECOND)  # it is being delivered
    assert await uploads.waiting() == 1
    late = NOW + LEASE + SECOND  # its holder died
    for _ in range(2):
        assert await uploads.close(process, late)
    assert await uploads.take("me", late, late + LEASE) is None
    assert not await uploads.renew(process, "me", late + LEASE)
    files = ["default/elsewhere", made.file_key, f"{made.file_key}-text"]
    assert await uploads.files(process) == sorted(files)
    for _ in range(2):
        await uploads.forget(process)
        assert await uploads.get(made.upload_id) is None
        assert await uploads.files(process) == []
        assert await uploads.close(process, late)
    assert await uploads.get(other.upload_id) == other
    again = upload("r")
    assert await uploads.add(again) == again  # its request id is free


async def test_a_process_that_has_no_upload_leaves_nothing(uploads: AnyUploads) -> None:
    process = str(uuid.uuid4())
    assert await uploads.close(process, NOW)
    assert await uploads.files(process) == []
    await uploads.forget(process)


async def test_uploads_of_another_tenant_do_not_exist(uploads: AnyUploads, stranger: Stranger) -> None:
    made, done = upload("r", size=5), upload()
    await uploads.add(made)
    await uploads.add(done)
    process = await uploads.complete(done.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW)
    with stranger():
        assert await uploads.get(made.upload_id) is None
        assert await uploads.commit(made.upload_id, 0, 5, NOW) == 0
        assert not await uploads.abort(made.upload_id)
        assert await uploads.kept() == (0, 0, 0)
        await uploads.forget(process)
        assert await uploads.files(process) == []
    assert await uploads.get(made.upload_id) == made
    assert await uploads.kept() == (2, 0, 0)
    assert await uploads.files(process)


async def test_a_request_id_belongs_to_who_sent_it(uploads: AnyUploads) -> None:
    ann, ben = replace(upload("r"), creator="ann"), replace(upload("r"), creator="ben")
    assert await uploads.add(ann) == ann
    assert await uploads.add(ben) == ben
    assert await uploads.add(replace(upload("r"), creator="ann")) == ann


async def test_the_tenant_with_the_fewest_deliveries_is_next(uploads: AnyUploads) -> None:
    async def complete(tenant: str, due: datetime) -> str:
        with scope.within(tenant):
            made = str(uuid.uuid4())
            added = await uploads.add(
                Upload(made, tenant, None, "a.csv", 0, f"{tenant}/{made}", UploadState.OPEN, 0, None, NOW)
            )
            return await uploads.complete(added.upload_id, str(uuid.uuid4()), "", 0, "{}", due)

    crowd = [await complete("acme", NOW - number * SECOND) for number in (9, 8, 7)]
    single = await complete("globex", NOW)
    with scope.everything():

        async def take(*, of_idle: bool = False) -> str | None:
            found = await uploads.take("me", NOW, NOW + LEASE, of_idle=of_idle)
            return found.process_id if found else None

        assert await take() == crowd[0]
        assert await take() == single
        assert await take(of_idle=True) is None
        assert await take() == crowd[1]
        await uploads.done(single, "me", NOW)
        another = await complete("globex", NOW)
        assert await take(of_idle=True) == another
        assert [await take(), await take()] == [crowd[2], None]
