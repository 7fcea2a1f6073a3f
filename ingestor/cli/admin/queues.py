"""`ingestor admin queues` and `redrive`."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ingestor.cli.admin.group import admin, database_option, run
from ingestor.cli.common import json_option
from ingestor.cli.output import print_json, print_table, say
from ingestor.cli.suite import needs_local

if TYPE_CHECKING:
    from ingestor.provisioning.redrive import Redriven


@admin.command()
@click.option(
    "--visibility",
    metavar="SECONDS",
    type=click.IntRange(1, 43_200),
    default=60,
    show_default=True,
    help="A message that was received comes again after so long, unless its receiver says otherwise.",
)
@click.option(
    "--tries",
    metavar="COUNT",
    type=click.IntRange(2, 1000),
    default=5,
    show_default=True,
    help="A batch that was received so often without success is given up.",
)
@json_option
@needs_local
def queues(visibility: int, tries: int, as_json: bool) -> None:
    """Make or update the queues: rows, their dead letters, events. Idempotent.

    Their names and where they are come from the environment, as for the services: INGESTOR_ROWS_QUEUE,
    INGESTOR_ROWS_DEAD_LETTER_QUEUE, INGESTOR_EVENTS_QUEUE, INGESTOR_AWS_ENDPOINT_URL and so on. With
    INGESTOR_FILE_STORE=s3 and an endpoint that is not AWS, the bucket is made too.
    """
    from ingestor.runtime.aws.buckets import ensure_bucket
    from ingestor.runtime.aws.clients import aws_errors, open_s3, open_sqs
    from ingestor.runtime.aws.queues import QueueNames, ensure_queues
    from ingestor.runtime.settings import FileStoreSettings, load_settings

    names, settings = load_settings(QueueNames), load_settings(FileStoreSettings)
    bucket = settings.s3_bucket if settings.file_store == "s3" and settings.aws_endpoint_url else None

    async def work() -> None:
        async with open_sqs(settings) as client, aws_errors("SQS"):
            await ensure_queues(
                client,
                rows=names.rows_queue,
                dead_letter=names.rows_dead_letter_queue,
                events=names.events_queue,
                visibility_seconds=visibility,
                max_receive_count=tries,
            )
        if bucket:
            async with open_s3(settings) as client, aws_errors("S3"):
                await ensure_bucket(client, bucket)

    run(work())
    ready = [names.rows_queue, names.rows_dead_letter_queue, names.events_queue]
    if as_json:
        print_json({"queues": ready, "bucket": bucket})
        return
    say(f"ready: the queues {', '.join(ready)}{f' and the bucket {bucket}' if bucket else ''}")


@admin.command()
@click.option("--process", "process_id", metavar="ID", type=click.UUID, help="Only batches of this process.")
@click.option(
    "--most",
    metavar="COUNT",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="Look at so many dead letters at most.",
)
@database_option
@json_option
@needs_local
def redrive(process_id: uuid.UUID | None, most: int, database_url: str, as_json: bool) -> None:
    """Send the batches that wait in the dead-letter queue to the rows queue again: those whose process still
    runs. Lists the processes that have ended with rows of batches that were given up before; `ingestor retry`
    reads those rows again.

    A running processor concludes dead letters by itself, so only those are left that came while there was
    none. The queues come from the environment, as for `ingestor admin queues`.
    """
    import asyncpg

    from ingestor.provisioning.redrive import redrive as move
    from ingestor.runtime.aws.clients import open_sqs
    from ingestor.runtime.aws.queues import QueueNames
    from ingestor.runtime.settings import QueueSettings, load_settings

    names, settings = load_settings(QueueNames), load_settings(QueueSettings)

    async def work() -> Redriven:
        connection = await asyncpg.connect(database_url)
        try:
            async with open_sqs(settings) as client:
                return await move(connection, client, names, process_id=process_id, most=most)
        finally:
            await connection.close()

    done = run(work())
    if as_json:
        print_json({"moved": done.moved, "left": done.left, "given_up": [asdict(p) for p in done.given_up]})
        return
    say(f"{done.moved:,} batch{'' if done.moved == 1 else 'es'} sent to the rows queue again")
    for reason, count in sorted(done.left.items()):
        say(f"{count:,} left: {reason}")
    if done.given_up:
        say("rows of batches that were given up before; read them again by `ingestor retry PROCESS`:")
        print_table(
            ["tenant", "process", "rows"],
            [[each.tenant, each.process_id, f"{each.rows:,}"] for each in done.given_up],
        )
