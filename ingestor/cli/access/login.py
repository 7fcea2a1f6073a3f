"""`ingestor login`, `logout` and `whoami`."""

from __future__ import annotations

from dataclasses import replace

import click

from ingestor.cli.access.roles import joined, moment
from ingestor.cli.common import Settings, json_option
from ingestor.cli.output import errors_in_one_line, print_json, say, to_dict
from ingestor.client import AsyncClient, Identity, PermissionDeniedError
from ingestor.client.access import oauth
from ingestor.client.access.logins import Logins
from ingestor.client.access.oauth import DeviceCode, SignIn


@click.command()
@click.option(
    "--issuer", metavar="URL", help="Sign in at this OpenID provider. Default: as the gateway says."
)
@click.option("--client-id", metavar="ID", help="Be this client there. Default: as the gateway says.")
@click.option("--scope", metavar="TEXT", help="Ask for this scope. Default: as the gateway says.")
@click.option("--resource", metavar="URI", help="Ask for tokens for this resource (RFC 8707).")
@json_option
@click.pass_obj
def login(
    settings: Settings,
    issuer: str | None,
    client_id: str | None,
    scope: str | None,
    resource: str | None,
    as_json: bool,
) -> None:
    """Sign in for this gateway's address. Prints an address and a code to enter there, in a browser on any
    machine, and waits.

    The tokens are kept in logins.json in the folder ingestor of $XDG_CONFIG_HOME (~/.config), which only you
    can read; commands and programs use and renew them.
    """
    gateway = settings.endpoint
    with errors_in_one_line(settings.address, settings.debug):
        how = SignIn(issuer, "ingestor-cli") if issuer else oauth.how_to_sign_in(gateway)
        if how is None:
            if as_json:
                print_json({"address": gateway.target, "signed_in": False})
            say(f"nobody needs to sign in at {gateway.target}")
            return
        wanted = {"client_id": client_id, "scope": scope, "resource": resource}
        how = replace(how, **{name: value for name, value in wanted.items() if value is not None})
        signed_in = oauth.sign_in(how, _show)
        logins = Logins()
        with logins.alone():
            logins.put(gateway.target, signed_in)
    me = replace(settings, token=signed_in.access_token).run(_who)
    if as_json:
        print_json({"address": gateway.target, "signed_in": True, "access": to_dict(me.raw) if me else None})
    elif me:
        click.echo(f"signed in as {_sentence(me)}")


def _show(code: DeviceCode) -> None:
    say(f"Open {code.url} and enter the code {code.user_code}")
    if code.complete_url:
        say(f"(or open {code.complete_url})")
    say(f"Waiting, at most {code.expires_in / 60:.0f} minutes ...")


async def _who(client: AsyncClient) -> Identity | None:
    """Who has just signed in; None for somebody who has no tenant yet, or has to choose one."""
    try:
        return await client.access.whoami()
    except PermissionDeniedError as error:
        say(f"signed in. {error.message}")
        return None


@click.command()
@json_option
@click.pass_obj
def logout(settings: Settings, as_json: bool) -> None:
    """Sign out at this gateway's address: forget the tokens, and have the issuer revoke them."""
    address = settings.endpoint.target
    with errors_in_one_line(address, settings.debug):
        logins = Logins()
        with logins.alone():
            found = logins.get(address)
            if found:
                logins.put(address, None)
        revoked = bool(found and oauth.revoke(found))
    if as_json:
        print_json({"address": address, "signed_out": found is not None, "revoked": revoked})
    elif found is None:
        say(f"nobody is signed in at {address}")
    else:
        how = "" if revoked else f"; {found.issuer} did not confirm that it has revoked them"
        click.echo(f"signed out, the tokens are forgotten{how}")


@click.command()
@json_option
@click.pass_obj
def whoami(settings: Settings, as_json: bool) -> None:
    """Say who you are for the suite: your tenant, your roles, until when."""
    me = settings.run(lambda client: client.access.whoami())
    if as_json:
        print_json(to_dict(me.raw))
        return
    click.echo(_sentence(me))
    if len(me.tenants) > 1:
        click.echo(f"tenants: {joined(me.tenants)} (choose by --tenant or INGESTOR_TENANT)")
    if me.pipelines:
        click.echo(f"pipelines: {joined(me.pipelines)}")
    if me.platform_admin:
        click.echo("may set the quotas of all tenants")
    if me.expires:
        click.echo(f"until: {moment(me.expires)} UTC")


def _sentence(me: Identity) -> str:
    name = f"{me.name} ({me.subject})" if me.name not in ("", me.subject) else me.subject
    return f"{name}, tenant {me.tenant}, roles: {joined(me.roles) or 'none'}"
