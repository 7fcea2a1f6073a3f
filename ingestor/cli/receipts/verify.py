"""`ingestor verify`: whether file, ledger and table agree."""

from __future__ import annotations

import sys

import click

from ingestor.cli.common import Settings, json_option, process_argument
from ingestor.cli.output import FAILED, OK, print_json
from ingestor.cli.progress import showing_progress
from ingestor.client import AsyncClient, Verification

_SHOWN = 100  # disagreements; the receipt has more of them


@click.command()
@process_argument
@click.option(
    "--sample", type=click.IntRange(1, 100_000), metavar="N",
    help="Verify N rows, drawn at random. Default: every row.",
)  # fmt: skip
@click.option("-o", "--receipt", "output", metavar="FILE", help="Write the receipt to this file.")
@json_option
@click.pass_obj
def verify(settings: Settings, process: str, sample: int | None, output: str | None, as_json: bool) -> None:
    """Verify PROCESS. Reads the stored file, the ledger and the rows in the table again, and says which rows
    they do not agree on.

    Exit status: 0 when all that was compared agrees, else 1.
    """

    async def work(client: AsyncClient) -> Verification:
        handle = await client.process(process, look=False)
        return await handle.verify(output, sample or 0, lambda done, rows: show("verifying", done, rows, ""))

    with showing_progress(quiet=as_json) as show:
        found = settings.run(work, patience=120)
    if as_json:
        print_json(
            {
                "process_id": process,
                "agrees": found.agrees,
                "rows_verified": found.rows_verified,
                "rows_in_table": found.rows_in_table,
                "rows_replaced": found.rows_replaced,
                "disagreement_count": found.disagreement_count,
                "disagreements": [
                    {"row": one.row, "batch": one.batch, "message": one.message}
                    for one in found.disagreements
                ],
                "left_out": list(found.left_out),
                "signed": found.signed,
                "receipt": output,
            }
        )
    else:
        _print(found, output)
    sys.exit(OK if found.agrees else FAILED)


def _print(found: Verification, output: str | None) -> None:
    for one in found.disagreements[:_SHOWN]:
        click.echo(one.message)
    if (more := found.disagreement_count - _SHOWN) > 0:
        click.echo(f"... and {more:,} more; the receipt has the first 1,000")
    rows = f"{found.rows_verified:,} rows verified, {found.rows_in_table:,} in the table"
    if found.rows_replaced:
        rows += f", {found.rows_replaced:,} replaced by later rows with their keys"
    click.echo(f"{rows}.")
    for sentence in found.left_out:
        click.echo(sentence)
    if found.agrees:
        click.echo("All that was compared agrees." if found.left_out else "File, ledger and table agree.")
    else:
        click.echo(f"{found.disagreement_count:,} disagreements.")
    if output:
        click.echo(
            f"{output}: receipt{'' if found.signed else ', not signed: the suite has no key for receipts'}"
        )
