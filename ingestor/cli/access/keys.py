"""`ingestor keys`: API keys of the tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from ingestor.cli.access.roles import joined, moment, roles_option
from ingestor.cli.common import Settings, json_option
from ingestor.cli.output import print_json, print_table, say, to_dict
from ingestor.client import ApiKey


@click.group()
def keys() -> None:
    """Create, list and revoke API keys, by which machines call. For admins."""


@keys.command()
@click.argument("name")
@roles_option
@click.option(
    "--pipeline",
    "pipelines",
    metavar="NAME",
    multiple=True,
    help="Let it use this pipeline only; may be repeated.",
)
@click.option("--days", type=click.IntRange(1, 3650), help="Let it end after so many days. Default: never.")
@json_option
@click.pass_obj
def create(
    settings: Settings,
    name: str,
    roles: tuple[str, ...],
    pipelines: tuple[str, ...],
    days: int | None,
    as_json: bool,
) -> None:
    """Create a key and print it: it is shown this once and stored nowhere. NAME says what it is for."""
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    made = settings.run(lambda client: client.access.create_key(name, roles, pipelines, expires))
    if as_json:
        print_json({**to_dict(made.raw), "token": made.token})
        return
    say(f"{made.prefix} ({joined(made.roles)}), until: {moment(made.expires, 'revoked')}. Shown this once:")
    click.echo(made.token)


@keys.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """List the keys, newest first, also revoked and expired ones."""
    found = settings.collect(lambda client: client.access.keys())
    if as_json:
        print_json({"keys": [to_dict(key.raw) for key in found]})
        return
    print_table(
        ["key", "name", "roles", "pipelines", "state", "created by", "last used"],
        [
            [
                key.prefix, key.name, joined(key.roles), joined(key.pipelines) or "all", _state(key),
                key.creator, moment(key.last_used, "never"),
            ]
            for key in found
        ],
    )  # fmt: skip


def _state(key: ApiKey) -> str:
    if key.revoked:
        return f"revoked {moment(key.revoked)}"
    if key.expires is None:
        return "valid"
    return f"{'expired' if key.expires <= datetime.now(UTC) else 'until'} {moment(key.expires)}"


@keys.command()
@click.argument("prefix")
@json_option
@click.pass_obj
def revoke(settings: Settings, prefix: str, as_json: bool) -> None:
    """Revoke the key that begins with PREFIX (ing_ and eight characters). After ten seconds no service
    accepts it any more."""
    # A person may paste the whole key; its secret is sent nowhere.
    found = settings.run(lambda client: client.access.revoke_key("_".join(prefix.split("_")[:2])))
    if as_json:
        print_json(to_dict(found.raw))
    else:
        click.echo(f"{found.prefix} ({found.name}) is revoked")
