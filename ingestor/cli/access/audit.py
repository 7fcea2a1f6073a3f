"""`ingestor audit`: who did what."""

from __future__ import annotations

import json
from datetime import datetime

import click

from ingestor.cli.access.roles import joined, moment, read_time
from ingestor.cli.common import Settings
from ingestor.cli.output import print_table, to_dict
from ingestor.client import AsyncClient, AuditRecord


@click.command()
@click.option("--subject", default="", help="Only of this person or key (key:PREFIX).")
@click.option("--method", default="", help="Only of this method, as ingestor.v1.StatusService/DeleteProcess.")
@click.option("--object", "object_", default="", help="Only about this process, pipeline, key, ...")
@click.option(
    "--since", callback=read_time, metavar="TIME", help="Only from this time on (ISO 8601; UTC if not said)."
)
@click.option("--until", callback=read_time, metavar="TIME", help="Only before this time.")
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="List at most this many."
)
@click.option("--all", "all_", is_flag=True, help="List all of them.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, one for each record.")
@click.pass_obj
def audit(
    settings: Settings,
    subject: str,
    method: str,
    object_: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    all_: bool,
    as_json: bool,
) -> None:
    """List the audit log of your tenant, newest first: every change, every download of rows. For admins."""
    found: list[AuditRecord] = []

    async def work(client: AsyncClient) -> None:
        most = None if all_ else limit
        async for record in client.access.audit(subject, method, object_, since, until, most):
            if as_json:
                click.echo(json.dumps(to_dict(record.raw), ensure_ascii=False))
            else:
                found.append(record)

    settings.run(work)
    if as_json:
        return
    print_table(
        ["time", "subject", "roles", "method", "object", "outcome", "address"],
        [
            [
                moment(r.time), r.subject, joined(r.roles), r.method.removeprefix("ingestor.v1."), r.object,
                f"{r.outcome} {r.reason}".strip(), r.address,
            ]
            for r in found
        ],
    )  # fmt: skip
