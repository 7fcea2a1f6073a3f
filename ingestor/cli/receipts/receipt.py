"""`ingestor receipt`: check receipts, show the key that signs them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ingestor.cli.common import Settings, json_option
from ingestor.cli.output import FAILED, OK, print_json
from ingestor.receipts.check import MOST_BYTES, Checked, NoReceiptError
from ingestor.receipts.check import check as check_receipt
from ingestor.receipts.keys import ReceiptKeyError, public_key

_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group()
def receipt() -> None:
    """Check receipts of `ingestor verify`, and get the key to check them with."""


@receipt.command()
@json_option
@click.pass_obj
def key(settings: Settings, as_json: bool) -> None:
    """Print the public key of receipts."""
    found = settings.run(lambda client: client.receipt_key())
    if as_json:
        print_json({"key_id": found.key_id, "public_key_pem": found.pem})
    else:
        click.echo(found.pem, nl=False)


@receipt.command()
@click.argument("file", metavar="RECEIPT", type=_file)
@click.option(
    "--key", "known", metavar="KEY",
    help="The key must be this one: a file of `ingestor receipt key`, or the key in base64.",
)  # fmt: skip
@click.option("--file", "sent", metavar="FILE", type=_file, help="The receipt must be about this file.")
@json_option
def check(file: Path, known: str | None, sent: Path | None, as_json: bool) -> None:
    """Check RECEIPT, without the suite: whether signature and hashes hold.

    Exit status: 0 when all of it holds, else 1. What the verification had found does not change it.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise NoReceiptError("it is too large")
        found = check_receipt(file.read_bytes(), known=_known(known), file=sent)
    except NoReceiptError as error:
        raise click.ClickException(f"{file} is not a receipt: {error}") from None
    except OSError as error:
        raise click.ClickException(f"cannot read {error.filename or file}: {error.strerror}") from None
    if as_json:
        print_json(
            {
                "holds": not found.wrong,
                "right": found.holds,
                "wrong": found.wrong,
                "key_id": found.key_id,
                "result": found.receipt.get("result"),
                "process_id": _part(found, "process", "id"),
            }
        )
    else:
        _print(found)
    sys.exit(FAILED if found.wrong else OK)


def _known(text: str | None) -> bytes | None:
    if text is None:
        return None
    path = Path(text)
    try:
        return public_key(path.read_text("utf-8") if path.is_file() else text)
    except (ReceiptKeyError, OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--key") from None


def _print(found: Checked) -> None:
    for sentence in found.wrong:
        click.echo(f"wrong: {sentence}")
    for sentence in found.holds:
        click.echo(f"ok: {sentence}")
    about = found.receipt
    if not found.is_genuine:
        click.echo("What the receipt says cannot be trusted.")
        return
    result = "agree" if about.get("result") == "agrees" else "disagree"
    rows = _part(found, "rows", "verified")
    click.echo(
        f"By the receipt of {about.get('made')}, file, ledger and table {result} "
        f"({rows if isinstance(rows, int) else 0:,} rows verified of process "
        f"{_part(found, 'process', 'id')}, file {_part(found, 'process', 'file_name')})."
    )
    left_out = about.get("left_out")
    for sentence in left_out if isinstance(left_out, list) else ():
        click.echo(str(sentence))


def _part(found: Checked, name: str, part: str) -> object:
    about = found.receipt.get(name)
    return about.get(part) if isinstance(about, dict) else None
