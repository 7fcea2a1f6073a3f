"""`ingestor up`, `down` and `env`: the suite on this machine."""

from __future__ import annotations

import functools
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ingestor.cli.common import json_option

if TYPE_CHECKING:
    import psutil

DATA = click.option(
    "--data",
    envvar="INGESTOR_DATA",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".ingestor"),
    show_default=True,
    help="Keep the suite's data in this folder. [env: INGESTOR_DATA]",
)


def fail(message: str) -> NoReturn:
    """Print an error and end the program with status 1."""
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


def needs_local(command: Callable[..., None]) -> Callable[..., None]:
    """Says what to install when the extra `local` is missing, with exit status 1."""

    @functools.wraps(command)
    def checked(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("ingestor"):
                raise
            fail("the suite is not installed here: run pip install 'data-ingestor[local]'")

    return checked


@click.command()
@DATA
@click.option(
    "--gateway-port",
    envvar="INGESTOR_GATEWAY_PORT",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    help="Listen on this port. [env: INGESTOR_GATEWAY_PORT]",
)
@click.option(
    "--processors",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Run this many processors.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="Run each of the other services so many times.",
)
@click.option("--auth", is_flag=True, help="Let people sign in: see docs/guides/access/sign-in.md.")
@click.option("--detach", is_flag=True, help="Return when the suite is up.")
@click.option("--json", "as_json", is_flag=True, help="Print what `env --json` prints.")
@click.option(
    "--least-free-mib",
    type=int,
    default=1024,
    show_default=True,
    help="Refuse to start with less free disk space, in MiB.",
)
@click.option(
    "--memory-mib",
    envvar="INGESTOR_SUITE_MEMORY_MIB",
    type=click.IntRange(0),
    default=0,
    help="Let the services have so much memory together, in MiB (Linux, where control groups can be made). "
    "0: 2048, and 512 for each further processor or replica. [env: INGESTOR_SUITE_MEMORY_MIB]",
)
@click.option("--tls", is_flag=True, help="Use TLS everywhere, by a CA of this suite.")
@needs_local
def up(
    data: Path,
    gateway_port: int,
    processors: int,
    replicas: int,
    auth: bool,
    detach: bool,
    as_json: bool,
    least_free_mib: int,
    memory_mib: int,
    tls: bool,
) -> None:
    """Start the whole suite on this machine.

    It has PostgreSQL, SQS, the four services, the page and the gateway.

    Set INGESTOR_DATABASE_URL to use another PostgreSQL (and INGESTOR_DATABASE_POOLER and
    INGESTOR_DATABASE_DIRECT_URL, if it leads to a pooler), INGESTOR_AWS_ENDPOINT_URL to use another SQS, and
    INGESTOR_AWS=1 to use AWS itself.

    Nobody has to sign in, so it answers this machine only. With --auth people sign in: at the OpenID provider
    of INGESTOR_OIDC_ISSUER, else at one that it starts, with people of each role in two tenants.

    With --tls, eval "$(ingestor env)" has commands trust the suite's CA.
    """
    if detach:
        _detach(data, gateway_port, processors, replicas, least_free_mib, memory_mib, auth=auth, tls=tls)
        _print_up(data, as_json)
        return
    from ingestor.local.errors import SuiteError
    from ingestor.local.suite import Options, run

    options = Options(
        data=data,
        gateway_port=gateway_port,
        processors=processors,
        replicas=replicas,
        least_free_bytes=least_free_mib * 2**20,
        database_url=os.environ.get("INGESTOR_DATABASE_URL"),
        database_direct_url=os.environ.get("INGESTOR_DATABASE_DIRECT_URL"),
        aws_endpoint_url=os.environ.get("INGESTOR_AWS_ENDPOINT_URL"),
        aws=os.environ.get("INGESTOR_AWS") == "1",
        page_dir=os.environ.get("INGESTOR_PAGE_DIR", ""),
        tls=tls,
        auth=auth,
        memory_bytes=memory_mib * 2**20,
    )
    try:
        run(options, lambda line: click.echo(line, err=True), lambda: _print_up(data, as_json))
    except SuiteError as error:
        fail(str(error))


def _detach(
    data: Path,
    gateway_port: int,
    processors: int,
    replicas: int,
    least_free_mib: int,
    memory_mib: int,
    *,
    auth: bool,
    tls: bool,
) -> None:
    """Run `up` in a process of its own and wait until it is up or has failed."""
    from ingestor.local.children import open_log
    from ingestor.local.errors import SuiteError
    from ingestor.local.folder import Folder

    os.umask(0o077)
    folder = Folder(data)
    try:
        folder.prepare(0)
    except SuiteError as error:
        fail(str(error))
    log = folder.logs / "suite.log"
    log.unlink(missing_ok=True)
    before = folder.state()
    with open_log(log) as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "ingestor.cli", "up", "--data", str(data),
                "--gateway-port", str(gateway_port), "--processors", str(processors),
                "--replicas", str(replicas), "--least-free-mib", str(least_free_mib),
                "--memory-mib", str(memory_mib),
                *(["--auth"] if auth else []),
                *(["--tls"] if tls else []),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    shown = 0
    while (folder.state() or before) == before:
        shown = _show_new_lines(log, shown)
        if process.poll() is not None:
            _show_new_lines(log, shown)
            sys.exit(1)
        time.sleep(0.1)
    _show_new_lines(log, shown, last=False)


def _show_new_lines(log: Path, shown: int, *, last: bool = True) -> int:
    """Echo what `up` has written since; this process prints the addresses itself."""
    lines = log.read_text("utf-8", "replace").splitlines()
    for line in lines[shown:]:
        if last or line.startswith(("starting", "the page is not")):
            click.echo(line, err=True)
    return len(lines)


def _print_up(data: Path, as_json: bool) -> None:
    state = _without_secrets(_state(data))
    if as_json:
        click.echo(json.dumps(state, indent=2))
        return
    if state["page"]:
        click.echo(f"the page: {state['page']['url']}")
    if state["tls"]:
        click.echo(f"the CA: {state['tls']['ca']}")
    if sign_in := state["sign_in"]:
        click.echo(f"sign in at {sign_in['issuer']}")
        if sign_in["users"]:
            click.echo(f"  a demonstration, as one of: {', '.join(sign_in['users'])}")
    click.echo(f"up: gateway {state['gateway_url']}, data {state['data']}, logs {state['logs']}")


def _state(data: Path) -> dict[str, Any]:
    from ingestor.local.folder import Folder

    state = Folder(data).state()
    if state is None:
        fail(f"no suite is running in {data.absolute()}; start one with `ingestor up`")
    return state


def _without_secrets(state: dict[str, Any]) -> dict[str, Any]:
    from ingestor.local.suite import SECRETS

    return {name: value for name, value in state.items() if name not in SECRETS}


@click.command()
@DATA
@json_option
@needs_local
def down(data: Path, as_json: bool) -> None:
    """Stop the suite; keep its data. Succeeds when no suite runs."""
    import psutil

    from ingestor.local.folder import Folder

    state = Folder(data).state()
    if state is not None:
        process = psutil.Process(state["pid"])
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while _runs(process):
            if time.monotonic() > deadline:
                fail(f"the suite (process {state['pid']}) did not stop within 60 s")
            time.sleep(0.02)
    if as_json:
        click.echo(json.dumps({"stopped": state is not None}))
    else:
        click.echo("stopped" if state is not None else f"no suite was running in {data.absolute()}", err=True)


def _runs(process: psutil.Process) -> bool:
    """Whether a process has not ended. One that has stays a zombie until its parent asks; in a container that
    may be late, or never."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@click.command()
@DATA
@click.option("--secrets", is_flag=True, help="Print the administrator's DSN and the access key of SQS too.")
@json_option
@needs_local
def env(data: Path, secrets: bool, as_json: bool) -> None:
    """Print the suite's addresses, and a DSN for looking. Use: eval "$(ingestor env)".

    INGESTOR_LOOK_URL is the DSN of a role that can read the data and change nothing; a PostgreSQL of your own
    has none.
    """
    state = _state(data) if secrets else _without_secrets(_state(data))
    if as_json:
        click.echo(json.dumps(state, indent=2))
        return
    tls = state["tls"]
    variables = {
        "INGESTOR_ADDRESS": state["gateway_url"] if tls else state["gateway"],
        "INGESTOR_CA": tls["ca"] if tls else None,
        "INGESTOR_LOOK_URL": state["look_url"],
        "INGESTOR_DATABASE_URL": state.get("database_url"),
        "AWS_ACCESS_KEY_ID": state.get("aws_access_key_id"),
        "AWS_SECRET_ACCESS_KEY": state.get("aws_secret_access_key"),
        "INGESTOR_AWS_ENDPOINT_URL": state["aws_endpoint_url"],
        "INGESTOR_AWS_CA": state["aws_ca"],
        **{f"INGESTOR_{name.upper().replace('-', '_')}_ADDRESS": found["address"]
           for name, found in state["services"].items()},
    }  # fmt: skip
    for name, value in variables.items():
        if value:
            click.echo(f"export {name}={shlex.quote(value)}")


COMMANDS = [up, down, env]
