"""`ingestor members`: persons with roles in the tenant."""

from __future__ import annotations

import click

from ingestor.cli.access.roles import joined, moment, roles_option
from ingestor.cli.common import Settings, json_option
from ingestor.cli.output import print_json, print_table, to_dict


@click.group()
def members() -> None:
    """List persons, give them roles and take them away. For admins."""


@members.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """List the members by subject, without those whose roles come from their token only."""
    found = settings.collect(lambda client: client.access.members())
    if as_json:
        print_json({"members": [to_dict(member.raw) for member in found]})
        return
    print_table(
        ["subject", "roles", "by", "changed"],
        [[m.subject, joined(m.roles), m.creator, moment(m.updated)] for m in found],
    )


@members.command("set")
@click.argument("subject")
@roles_option
@json_option
@click.pass_obj
def set_(settings: Settings, subject: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Give SUBJECT these roles instead of those that it has here. SUBJECT is that of the person's tokens, or
    a verified e-mail address."""
    member = settings.run(lambda client: client.access.set_member(subject, roles))
    if as_json:
        print_json(to_dict(member.raw))
    else:
        click.echo(f"{member.subject}: {joined(member.roles)}")


@members.command()
@click.argument("subject")
@json_option
@click.pass_obj
def remove(settings: Settings, subject: str, as_json: bool) -> None:
    """Take the roles of SUBJECT away; those of its token stay."""
    settings.run(lambda client: client.access.remove_member(subject))
    if as_json:
        print_json({"subject": subject, "removed": True})
    else:
        click.echo(f"{subject} is no member any more")
