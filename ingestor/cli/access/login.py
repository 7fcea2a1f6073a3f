"""`ingestor login`, `logout` and `whoami`."""

from __future__ import annotations

import click

from ingestor.cli.access.roles import joined, moment
from ingestor.cli.common import Settings, json_option
from ingestor.cli.output import errors_in_one_line, print_json, say, to_dict
from ingestor.client import Identity, PermissionDeniedError
from ingestor.client.access import oauth
from ingestor.client.access.logins import Logins
from ingestor.client.access.oauth import DeviceCode, SignIn


@click.command()
@click.option("--issuer", metavar="URL", help="Sign in at this OpenID provider. Default: as the gateway says.")
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
    with errors_in_one_line(settings.address, settings.debug):
        if issuer:
            how = SignIn(issuer, client_id or "ingestor-cli", scope or SignIn.scope, resource or "")
        else:
            found = oauth.how_to_sign_in(settings.address)
            if found is None:
                if as_json:
                    print_json({"address": settings.address, "signed_in": False})
                say(f"nobody needs to sign in at {settings.address}")
                return
            how = SignIn(
                found.issuer, client_id or found.client_id, scope or found.scope, resource or found.resource
            )
        signed_in = oauth.sign_in(how, _show)
        logins = Logins()
        with logins.alone():
            logins.put(settings.address, signed_in)
    me = _who(settings)
    if as_json:
        print_json({"address": settings.address, "signed_in": True, "access": to_dict(me.raw) if me else None})
    elif me:
        click.echo(f"signed in as {_sentence(me)}")


def _show(code: DeviceCode) -> None:
    say(f"Open {code.url} and enter the code {code.user_code}")
    if code.complete_url:
        say(f"(or open {code.complete_url})")
    say(f"Waiting, at most {code.expires_in / 60:.0f} minutes ...")


def _who(settings: Settings) -> Identity | None:
    """Who has just signed in; None when that is for the next command to say."""
    try:
        # Not a token of the environment, which the other commands prefer.
        return settings.of_login().run(lambda client: client.access.whoami(), raising=PermissionDeniedError)
    except PermissionDeniedError as error:
        say(f"signed in. {error.message}")
        return None


@click.command()
@json_option
@click.pass_obj
def logout(settings: Settings, as_json: bool) -> None:
    """Sign out at this gateway's address: forget the tokens, and have the issuer revoke them."""
    with errors_in_one_line(settings.address, settings.debug):
        logins = Logins()
        with logins.alone():
            found = logins.get(settings.address)
            if found:
                logins.put(settings.address, None)
        revoked = bool(found and oauth.revoke(found))
    if as_json:
        print_json({"address": settings.address, "signed_out": found is not None, "revoked": revoked})
    elif found is None:
        say(f"nobody is signed in at {settings.address}")
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
