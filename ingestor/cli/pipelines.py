"""`ingestor pipelines`: the documents by which files become tables."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ingestor.cli.common import Settings, dialect_options, file_argument, json_option
from ingestor.cli.inspect import inspection, rows_option
from ingestor.cli.output import print_json, print_table, to_dict
from ingestor.client import PipelineVersion


@click.group()
def pipelines() -> None:
    """Manage pipelines. A pipeline maps a file's columns to a table's: see docs/guides/pipelines."""


@pipelines.command()
@file_argument("DOCUMENT")
@click.option("--dry-run", is_flag=True, help="Check the document; store nothing.")
@json_option
@click.pass_obj
def apply(settings: Settings, file: Path, dry_run: bool, as_json: bool) -> None:
    """Store DOCUMENT as the next version of its pipeline."""

    answer = settings.run(lambda client: client.pipelines.apply(file, dry_run))
    if as_json:
        print_json({"pipeline": to_dict(answer.raw), "created": answer.created})
    elif dry_run:
        click.echo("the document is valid")
    else:
        unchanged = "" if answer.created else " (unchanged)"
        click.echo(f"{answer.reference}{unchanged}")


@pipelines.command()
@file_argument(exists=True)
@dialect_options
@rows_option
@click.option("--table", metavar="SCHEMA.TABLE", help="Draft it for this existing table; asks the suite.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as it does without this option.")
@click.pass_obj
def infer(settings: Settings, file: Path, dialect: str, rows: int, table: str | None, as_json: bool) -> None:
    """Draft a pipeline from FILE. Review it before you apply it. Needs no suite, except for --table. It reads
    other files of the same columns too, in any format; what --dialect declares becomes part of it."""
    found = inspection(file, dialect, rows)
    drafted = found["pipeline"]
    if declared := json.loads(dialect or "{}"):
        drafted["dialect"] = {**drafted.get("dialect", {}), **declared}
    if table is None:
        print_json({**{key: drafted[key] for key in drafted if key != "sink"}, "sink": drafted["sink"]})
        return
    draft = settings.run(lambda client: client.pipelines.of_table(table))
    # Takes NumPy and Arrow, which no other command needs.
    from ingestor.pipelines.inference.table import draft_for_table

    document, notices = draft_for_table(draft.document, draft.needed, found)
    print_json(document)
    for notice in notices:
        click.echo(f"note: {notice.message} [{notice.code}]", err=True)


@pipelines.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """List pipelines with their latest versions."""
    _print_pipelines(settings.collect(lambda client: client.pipelines.list()), as_json)


def _print_pipelines(found: list[PipelineVersion], as_json: bool) -> None:
    if as_json:
        print_json({"pipelines": [to_dict(pipeline.raw) for pipeline in found]})
        return
    print_table(
        ["name", "version", "stored"],
        [[p.name, str(p.version), p.raw.create_time.ToDatetime().isoformat(" ", "seconds")] for p in found],
    )


@pipelines.command()
@click.argument("name")
@json_option
@click.pass_obj
def versions(settings: Settings, name: str, as_json: bool) -> None:
    """List the versions of a pipeline, newest first, even of a deleted one."""
    _print_pipelines(settings.collect(lambda client: client.pipelines.versions(name)), as_json)


@pipelines.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@json_option
@click.pass_obj
def get(settings: Settings, reference: str, as_json: bool) -> None:
    """Print the document of a pipeline, by default of its latest version."""
    _, _, version = reference.partition("@")
    if version and not version.isdigit():
        raise click.BadParameter(f"{reference!r} is not NAME or NAME@VERSION")
    found = settings.run(lambda client: client.pipelines.get(reference))
    if as_json:
        print_json(to_dict(found.raw))
    else:
        click.echo(found.raw.document_json)


@pipelines.command()
@click.argument("name")
@json_option
@click.pass_obj
def delete(settings: Settings, name: str, as_json: bool) -> None:
    """Take a pipeline out of use. Its versions stay for the processes that ran with them."""
    settings.run(lambda client: client.pipelines.delete(name))
    if as_json:
        print_json({"name": name, "deleted": True})
    else:
        click.echo(f"{name} is deleted")


COMMANDS = [pipelines]
