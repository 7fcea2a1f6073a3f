"""`ingestor quotas`: what the tenant may use, and how much it does."""

from __future__ import annotations

import click

from ingestor.cli.access.roles import moment
from ingestor.cli.common import Settings, json_option
from ingestor.cli.output import print_json, print_table, to_dict


@click.command()
@json_option
@click.pass_obj
def quotas(settings: Settings, as_json: bool) -> None:
    """Show the quotas of your tenant, and how much of each is used."""
    found = settings.run(lambda client: client.access.quotas())
    if as_json:
        print_json({"quotas": [to_dict(quota.raw) for quota in found]})
        return
    print_table(
        ["quota", "used", "limit", "starts again"],
        [
            [q.name, f"{q.used:,}", "none" if q.limit is None else f"{q.limit:,}", moment(q.until)]
            for q in found
        ],
    )
