"""`ingestor pipelines`: the documents by which files become tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from ingestor.cli.common import Settings, dialect_options, file_argument, json_option
from ingestor.cli.inspect import inspection, rows_option
from ingestor.cli.output import print_json, print_table, to_dict
from ingestor.client.client import Client
from ingestor.v1 import pipelines_pb2


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

    async def work(client: Client) -> pipelines_pb2.ApplyPipelineResponse:
        return await client.apply_pipeline(file.read_text("utf-8"), dry_run=dry_run)

    answer = settings.run(work)
    if as_json:
        print_json(to_dict(answer))
    elif dry_run:
        click.echo("the document is valid")
    else:
        unchanged = "" if answer.created else " (unchanged)"
        click.echo(f"{answer.pipeline.name}@{answer.pipeline.version}{unchanged}")


@pipelines.command()
@file_argument(exists=True)
@dialect_options
@rows_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as it does without this option.")
def infer(file: Path, dialect: str, rows: int, as_json: bool) -> None:
    """Draft a pipeline from FILE. Review it before you apply it. Needs no suite."""
    print_json(inspection(file, dialect, rows)["pipeline"])


@pipelines.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """List pipelines with their latest versions."""
    page = settings.run(lambda client: client.list_pipelines())
    if as_json:
        print_json(to_dict(page))
    else:
        _print_pipelines(page.pipelines)


def _print_pipelines(found: Iterable[pipelines_pb2.Pipeline]) -> None:
    print_table(
        ["name", "version", "stored"],
        [[p.name, str(p.version), p.create_time.ToDatetime().isoformat(" ", "seconds")] for p in found],
    )


@pipelines.command()
@click.argument("name")
@json_option
@click.pass_obj
def versions(settings: Settings, name: str, as_json: bool) -> None:
    """List the versions of a pipeline, newest first, even of a deleted one."""

    async def collect(client: Client) -> list[pipelines_pb2.Pipeline]:
        page = await client.list_pipeline_versions(name)
        found = list(page.pipelines)
        while page.next_page_token:
            page = await client.list_pipeline_versions(name, page_token=page.next_page_token)
            found += page.pipelines
        return found

    found = settings.run(collect)
    if as_json:
        print_json({"pipelines": [to_dict(pipeline) for pipeline in found]})
    else:
        _print_pipelines(found)


@pipelines.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@json_option
@click.pass_obj
def get(settings: Settings, reference: str, as_json: bool) -> None:
    """Print the document of a pipeline, by default of its latest version."""
    name, _, version = reference.partition("@")
    if version and not version.isdigit():
        raise click.BadParameter(f"{reference!r} is not NAME or NAME@VERSION")
    found = settings.run(lambda client: client.get_pipeline(name, int(version or 0)))
    if as_json:
        print_json(to_dict(found))
    else:
        click.echo(found.document_json)


@pipelines.command()
@click.argument("name")
@json_option
@click.pass_obj
def delete(settings: Settings, name: str, as_json: bool) -> None:
    """Take a pipeline out of use. Its versions stay for the processes that ran with them."""
    settings.run(lambda client: client.delete_pipeline(name))
    if as_json:
        print_json({"name": name, "deleted": True})
    else:
        click.echo(f"{name} is deleted")


COMMANDS = [pipelines]
