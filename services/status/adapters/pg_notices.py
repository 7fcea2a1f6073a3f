"""Adds notices to a process."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.notices import as_objects, merged, notices_from_json, notices_to_json
from ingestor.outcomes import Notice
from ingestor.services.status.adapters.pg_account import Work
from ingestor.services.status.ledger import Event


async def add_notices(work: Work, notices: Sequence[Notice]) -> None:
    """Add notices to those of the held process, with an event of them."""
    if not notices:
        return
    new = merged(notices)
    known = notices_from_json(
        await work.connection.fetchval("SELECT notices FROM processes WHERE process_id = $1", work.process_id)
    )
    found = merged(known, new)
    if found == known:  # every batch says the same of the table
        return
    await work.connection.execute(
        "UPDATE processes SET notices = $2 WHERE process_id = $1", work.process_id, notices_to_json(found)
    )
    work.apply((work.account, [Event("ingestion.noticed", {"notices": as_objects(new)})]))
