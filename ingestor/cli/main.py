"""The command line `ingestor`: `up`, `down` and `env` for the suite on this machine, and everything a
client can do with a suite anywhere."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ingestor.cli.suite_commands import down, env, up

if TYPE_CHECKING:
    from ingestor.client.client import Client
    from ingestor.v1 import pipelines_pb2, status_pb2

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_ADDRESS = "127.0.0.1:8080"


@dataclass(frozen=True)
class Settings:
    """What holds for all commands."""

    address: str
    debug: bool

    def run(self, work: Callable[[Client], Awaitable[T]], *, patience: float = 10.0) -> T:
        """Do some work with a client; errors end the program with a line on stderr."""
        from ingestor.cli.output import errors_in_one_line, say
        from ingestor.client.client import Client

        told: list[str] = []

        def on_lost(reason: str) -> None:
            if not told:
                say(f"connection lost ({reason}), trying again")
                told.append(reason)

        async def with_client() -> T:
            async with Client(self.address, patience=patience, on_lost=on_lost) as client:
                return await work(client)

        with errors_in_one_line(self.address, self.debug):
            return asyncio.run(with_client())
        raise AssertionError("unreachable: errors_in_one_line exits")


def _local_address() -> str:
    """The gateway of the suite that runs in the data folder, else the usual one."""
    state = Path(os.environ.get("INGESTOR_DATA", ".ingestor")) / "suite.json"
    try:
        return str(json.loads(state.read_text("utf-8"))["gateway"])
    except (OSError, ValueError, KeyError):
        return DEFAULT_ADDRESS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--address",
    envvar="INGESTOR_ADDRESS",
    help="Gateway, host:port; default: the suite of the data folder, else 127.0.0.1:8080. "
    "[env: INGESTOR_ADDRESS]",
)
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.version_option(package_name="data-ingestor")
@click.pass_context
def main(context: click.Context, address: str | None, debug: bool) -> None:
    """Large tables into PostgreSQL: every row checked on its own, nothing lost, nothing loaded twice."""
    context.obj = Settings(address or _local_address(), debug)


def json_option(command: F) -> F:
    """--json, which every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


process_argument = click.argument("process")


def dialect_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a file is read; the command gets them as one, `dialect` (JSON)."""

    @click.option(
        "--dialect", "document", metavar="JSON|FILE", help="How to read it: see docs/guides/reading-files.md."
    )
    @click.option("--format", "format_", help="csv, jsonl, json, xlsx, parquet or a plug-in's name.")
    @click.option("--encoding", help="Of a text file, as Python calls it: utf-16, cp1252, ...")
    @click.option("--delimiter", help="Of a CSV file: one character, or tab.")
    @click.option("--sheet", help="Name or number of a workbook's sheet.")
    @functools.wraps(command)
    def with_dialect(
        *arguments: Any,
        document: str | None,
        format_: str | None,
        encoding: str | None,
        delimiter: str | None,
        sheet: str | None,
        **options: Any,
    ) -> None:
        dialect: dict[str, Any] = _dialect_document(document) if document else {}
        number = int(sheet) if sheet and sheet.isdigit() else sheet
        delimiter = {"tab": "\t", "space": " "}.get(delimiter or "", delimiter)
        named = {"format": format_, "encoding": encoding, "delimiter": delimiter, "sheet": number}
        dialect |= {key: value for key, value in named.items() if value is not None}
        command(*arguments, dialect=json.dumps(dialect) if dialect else "", **options)

    return with_dialect


def _dialect_document(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        text = Path(text).read_text("utf-8")
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--dialect") from None
    return found


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--pipeline", help="Name, name@version, or a document's file, which is applied first.")
@dialect_options
@click.option("--resume", metavar="UPLOAD", help="Go on with an interrupted upload.")
@click.option("--repair", "repairs", metavar="PROCESS", help="FILE is a corrected report of this process.")
@click.option("--no-wait", is_flag=True, help="Return when the file is sent.")
@click.option("--validate-only", is_flag=True, help="Only say what would become of its rows; store nothing.")
@json_option
@click.pass_obj
def ingest(
    settings: Settings,
    file: Path,
    pipeline: str | None,
    dialect: str,
    resume: str | None,
    repairs: str | None,
    no_wait: bool,
    validate_only: bool,
    as_json: bool,
) -> None:
    """Send FILE, follow it to its end, print the summary.

    Exit status: 0 COMPLETED, 3 COMPLETED_WITH_ERRORS, 1 otherwise.
    """
    from ingestor.cli import ingest as use

    if repairs and pipeline:
        raise click.UsageError("a repair runs with the pipeline of what it repairs: leave out --pipeline")
    if validate_only:
        from ingestor.cli.dry_run import dry_run, print_dry_run

        if resume or no_wait or repairs:
            raise click.UsageError("--validate-only sends nothing: it excludes --resume, --no-wait, --repair")
        found = settings.run(lambda client: dry_run(client, file, pipeline, dialect))
        sys.exit(print_dry_run(found, file, as_json))
    with use.progress_report(quiet=as_json) as report:
        process, seconds = settings.run(
            lambda client: use.ingest(
                client, file, pipeline, dialect, resume, not no_wait, report, repairs or ""
            ),
            patience=120,
        )
    _say_what_became(settings, process, seconds, started=no_wait, as_json=as_json)


@main.command()
@process_argument
@click.option("--no-wait", is_flag=True, help="Return when the rows are chosen.")
@json_option
@click.pass_obj
def retry(settings: Settings, process: str, no_wait: bool, as_json: bool) -> None:
    """Run rows of PROCESS again, from its stored file, that failed for a reason that may have passed:
    foreign-key, sink-error, batch-error. Exit status as of ingest."""
    from ingestor.cli import ingest as use

    with use.progress_report(quiet=as_json) as report:
        found, seconds = settings.run(
            lambda client: use.retry(client, process, not no_wait, report), patience=120
        )
    _say_what_became(settings, found, seconds, started=no_wait, as_json=as_json)


def _say_what_became(
    settings: Settings, process: status_pb2.Process, seconds: float, *, started: bool, as_json: bool
) -> None:
    """The end of ingest and retry."""
    from ingestor.cli import ingest as use
    from ingestor.cli.output import print_json

    if as_json:
        parent = settings.run(lambda client: use.repaired_process(client, process))
        print_json(use.described(process, parent, seconds))
    else:
        _print_process(settings, process, seconds, started=started)
    sys.exit(0 if started else use.exit_status(process.state))


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@dialect_options
@click.option("--rows", default=1000, show_default=True, help="Records to look at.")
@json_option
def inspect(file: Path, dialect: str, rows: int, as_json: bool) -> None:
    """Say how FILE would be read, what its columns hold and what would be rejected. Needs no suite."""
    from ingestor.cli.inspect import print_inspection

    print_inspection(file, dialect, rows, as_json)


def _print_process(
    settings: Settings, process: status_pb2.Process, seconds: float | None, *, started: bool = False
) -> None:
    """The summary, the first three errors, and where to look next."""
    from ingestor.cli.ingest import repaired_process, summary
    from ingestor.cli.output import print_table

    made = summary(process)
    counts = made["counts"]
    rate = f" in {seconds:.1f} s" if seconds else ""
    if seconds and counts["read"]:
        rate += f" ({counts['read'] / seconds:,.0f} rows/s)"
    click.echo(f"{made['file_name']}: {made['state']}{'' if started else rate}")
    if "failure" in made:
        click.echo(f"  {made['failure']['message']} ({made['failure']['reason']})")
    print_table(list(counts), [[f"{count:,}" for count in counts.values()]])
    process_id = made["process_id"]
    click.echo(f"process {process_id}")
    if process.HasField("undo"):
        from ingestor.cli.lifecycle import of_undo

        click.echo(f"undone: {of_undo(process.undo, done=True)}")
    if process.expired:
        click.echo("its file and its records of rows were removed, its counts are left")
    elif process.HasField("expire_time"):
        click.echo(f"kept until {process.expire_time.ToDatetime().isoformat(' ', 'minutes')} UTC")
    parent = settings.run(lambda client: repaired_process(client, process))
    if parent is not None:
        told = summary(parent)
        click.echo(f"\nrepairs {told['process_id']} ({told['file_name']}), which is {told['state']}:")
        print_table(list(told["counts"]), [[f"{count:,}" for count in told["counts"].values()]])
    if started:
        click.echo(f"\nwatch it: ingestor watch {process_id}")
    if not counts["failed"] or process.expired:
        return
    page = settings.run(lambda client: client.list_rows(process_id, "status=FAILED", 3))
    click.echo("\nthe first errors:")
    for row in page.rows:
        for error in row.errors[:1]:
            click.echo(f"  row {row.row_number}, line {row.line_number}: {error.message} [{error.code}]")
    click.echo(
        f"\nall of them:   ingestor rows {process_id} --filter status=FAILED\n"
        f"by kind:       ingestor errors {process_id}\n"
        f"as a file:     ingestor report {process_id} -o rejected.csv\n"
        f"corrected:     ingestor ingest rejected.csv --repair {process_id}"
    )


@main.command()
@process_argument
@json_option
@click.pass_obj
def status(settings: Settings, process: str, as_json: bool) -> None:
    """Where PROCESS stands. Exit status as of ingest; 0 while it runs."""
    from ingestor.cli.ingest import exit_status, repaired_process, summary
    from ingestor.cli.output import print_json, to_dict

    found = settings.run(lambda client: client.get_process(process))
    if as_json:
        parent = settings.run(lambda client: repaired_process(client, found))
        repaired = {"repaired": summary(parent)} if parent else {}
        print_json({**to_dict(found), **summary(found), **repaired})
    else:
        _print_process(settings, found, None)
    sys.exit(exit_status(found.state, running=0))


@main.command()
@process_argument
@json_option
@click.pass_obj
def watch(settings: Settings, process: str, as_json: bool) -> None:
    """Follow PROCESS to its end. Exit status as of ingest."""
    from ingestor.cli import ingest as use
    from ingestor.cli.output import print_json

    with use.progress_report(quiet=as_json) as report:
        found = settings.run(lambda client: use.follow(client, process, report), patience=120)
    if as_json:
        print_json(use.summary(found))
    else:
        _print_process(settings, found, None)
    sys.exit(use.exit_status(found.state))


@main.command()
@click.option("--filter", "filter_", default="", help='Such as state=FAILED or pipeline="customers".')
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
@click.pass_obj
def processes(settings: Settings, filter_: str, limit: int, as_json: bool) -> None:
    """All processes, newest first."""
    from ingestor.cli.output import print_json, print_table, short, to_dict
    from ingestor.v1 import common_pb2

    page = settings.run(lambda client: client.list_processes(filter_, limit))
    if as_json:
        print_json(to_dict(page))
        return
    print_table(
        ["process", "file", "pipeline", "state", "read", "failed", "started"],
        [
            [
                p.info.process_id, p.info.file_name, p.info.pipeline,
                short(common_pb2.ProcessState.Name(p.state)), f"{p.counts.read:,}", f"{p.counts.failed:,}",
                p.create_time.ToDatetime().isoformat(" ", "seconds"),
            ]
            for p in page.processes
        ],
    )  # fmt: skip


@main.command()
@process_argument
@click.option("--filter", "filter_", default="", help='Such as status=FAILED AND code="type-error".')
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@json_option
@click.pass_obj
def rows(settings: Settings, process: str, filter_: str, limit: int, as_json: bool) -> None:
    """Rows of PROCESS by number: fields status, code, field, row, line; joined by AND."""
    from ingestor.cli.output import print_json, print_table, short, to_dict
    from ingestor.v1 import common_pb2

    async def collect(client: Client) -> tuple[list[status_pb2.Row], str]:
        found: list[status_pb2.Row] = []
        token = ""
        while True:
            page = await client.list_rows(process, filter_, min(1000, limit - len(found)), token)
            found += page.rows
            token = page.next_page_token
            if not token or len(found) >= limit:
                return found, token

    found, more = settings.run(collect)
    if as_json:
        print_json({"rows": [to_dict(row) for row in found], "more": bool(more)})
        return
    lines = []
    for found_row in found:
        place = [
            str(found_row.row_number),
            str(found_row.line_number or ""),
            short(common_pb2.RowState.Name(found_row.state)),
        ]
        reasons = [[e.code, e.field, e.value[:80], e.message] for e in found_row.errors]
        lines += [[*place, *reason] for reason in reasons or [["", "", "", ""]]]
    print_table(["row", "line", "state", "code", "field", "value", "message"], lines)
    if more:
        click.echo("there are more: raise --limit, or narrow --filter")


@main.command()
@process_argument
@click.argument("number", type=click.IntRange(1))
@json_option
@click.pass_obj
def row(settings: Settings, process: str, number: int, as_json: bool) -> None:
    """Row NUMBER of PROCESS."""
    from ingestor.cli.output import print_json, short, to_dict
    from ingestor.v1 import common_pb2

    found = settings.run(lambda client: client.get_row(process, number))
    if as_json:
        print_json(to_dict(found))
        return
    line = f", line {found.line_number}" if found.line_number else ""
    click.echo(f"row {number}{line}: {short(common_pb2.RowState.Name(found.state))}")
    for error in found.errors:
        click.echo(f"  {error.message} [{error.code}]")
    if found.repairs_row:
        click.echo(f"it stands for row {found.repairs_row} of the process that is repaired")
    for before in found.history:
        when = before.replace_time.ToDatetime().isoformat(" ", "seconds")
        click.echo(f"until {when}, when {before.repair_process_id} brought it again: FAILED")
        for error in before.errors:
            click.echo(f"  {error.message} [{error.code}]")


@main.command()
@process_argument
@json_option
@click.pass_obj
def errors(settings: Settings, process: str, as_json: bool) -> None:
    """Errors of PROCESS counted by code and field."""
    from ingestor.cli.output import print_json, print_table, to_dict

    groups = settings.run(lambda client: client.summarize_errors(process))
    if as_json:
        print_json({"groups": [to_dict(group) for group in groups]})
        return
    print_table(
        ["code", "field", "errors", "first row", "example"],
        [[g.code, g.field, f"{g.count:,}", str(g.first_row), g.example_message] for g in groups],
    )


@main.command()
@process_argument
@json_option
@click.pass_obj
def events(settings: Settings, process: str, as_json: bool) -> None:
    """What has happened to PROCESS, oldest first."""
    from ingestor.cli.output import print_json, print_table

    async def collect(client: Client) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = await client.list_events(process, page_token=token)
            found += [
                {
                    "sequence": event.sequence,
                    "id": event.event_id,
                    "type": event.type,
                    "time": event.time.ToJsonString(),
                    "data": json.loads(event.data_json),
                }
                for event in page.events
            ]
            token = page.next_page_token
            if not token:
                return found

    found = settings.run(collect)
    if as_json:
        print_json({"events": found})
        return
    print_table(["time", "event", "data"], [[e["time"], e["type"], json.dumps(e["data"])] for e in found])


@main.command()
@process_argument
@click.option("-o", "--output", required=True, help="File to write; - for stdout.")
@click.option(
    "--format", "format_", type=click.Choice(["csv", "jsonl", "xlsx"]),
    help="Default: what FILE's extension says; csv for stdout.",
)  # fmt: skip
@click.option(
    "--rows", "selection", default="rejected", show_default=True, help="Which rows.",
    type=click.Choice(["rejected", "failed", "skipped", "succeeded", "unprocessed", "all"]),
)  # fmt: skip
@json_option
@click.pass_obj
def report(
    settings: Settings, process: str, output: str, format_: str | None, selection: str, as_json: bool
) -> None:
    """Rows of PROCESS as a file, by default the rejected ones: the original columns and the reasons."""
    from ingestor.cli import report as use
    from ingestor.cli.output import print_json

    kind = format_ or use.format_of(output)
    if kind is None:
        raise click.UsageError(f"--format is needed: {output!r} ends in none of {', '.join(use.EXTENSIONS)}")
    count, size = settings.run(lambda client: use.save(client, process, output, kind, selection))
    if output == "-":
        return
    if as_json:
        print_json({"file": output, "format": kind, "rows": count, "bytes": size})
    else:
        click.echo(f"{output}: {count:,} rows, {size:,} bytes")


def _control(name: str, help_: str) -> None:
    """A command that asks for a change of a process and prints the state then."""

    @main.command(name, help=help_)
    @process_argument
    @json_option
    @click.pass_obj
    def command(settings: Settings, process: str, as_json: bool) -> None:
        from ingestor.cli.output import print_json, short
        from ingestor.v1 import common_pb2

        state = settings.run(lambda client: getattr(client, f"{name}_process")(process))
        text = short(common_pb2.ProcessState.Name(state))
        if as_json:
            print_json({"process_id": process, "state": text})
        else:
            click.echo(text)


_control("pause", "Hold dispatching; batches already in the queue are still loaded.")
_control("resume", "Go on with a paused process.")
_control("cancel", "Stop a process for good; what is loaded stays.")

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@main.command()
@process_argument
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@yes_option
@json_option
@click.pass_obj
def undo(settings: Settings, process: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take out of the table again what PROCESS has loaded, and set back what it has replaced. On a
    terminal it says first how many rows and asks."""
    from ingestor.cli import lifecycle as use
    from ingestor.cli.output import print_json

    answer = settings.run(lambda client: use.undo(client, process, dry_run, yes))
    if as_json:
        print_json(use.undo_json(process, answer, dry_run))
    else:
        click.echo(use.of_undo(answer, done=not dry_run))


@main.command("delete")
@process_argument
@yes_option
@json_option
@click.pass_obj
def delete_process(settings: Settings, process: str, yes: bool, as_json: bool) -> None:
    """Remove PROCESS, which has ended: its file, its records, its events. What it has loaded stays. On a
    terminal it says first what goes and asks."""
    from ingestor.cli import lifecycle as use
    from ingestor.cli.output import print_json

    settings.run(lambda client: use.delete(client, process, yes))
    if as_json:
        print_json({"process_id": process, "deleted": True})
    else:
        click.echo("deleted")


@main.group()
def pipelines() -> None:
    """Say how a file's columns become a table's (docs/guides/pipelines)."""


@pipelines.command("apply")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@click.pass_obj
def apply(settings: Settings, file: Path, as_json: bool) -> None:
    """Store the document in FILE as its pipeline's next version."""
    from ingestor.cli.output import print_json, to_dict

    async def work(client: Client) -> Any:
        return await client.apply_pipeline(file.read_text("utf-8"))

    answer = settings.run(work)
    if as_json:
        print_json(to_dict(answer))
        return
    news = "" if answer.created else " (unchanged)"
    click.echo(f"{answer.pipeline.name}@{answer.pipeline.version}{news}")


@pipelines.command("infer")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@dialect_options
@click.option("--rows", default=1000, show_default=True, help="Records to look at.")
@click.option("--json", "as_json", is_flag=True, help="JSON is what it prints anyway.")
def infer(file: Path, dialect: str, rows: int, as_json: bool) -> None:
    """Draft a pipeline from what FILE holds; look it over before it is applied. Needs no suite."""
    from ingestor.cli.inspect import inspection
    from ingestor.cli.output import print_json

    print_json(inspection(file, dialect, rows)["pipeline"])


@pipelines.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """All pipelines with their latest versions."""
    from ingestor.cli.output import print_json, to_dict

    page = settings.run(lambda client: client.list_pipelines())
    if as_json:
        print_json(to_dict(page))
    else:
        _print_pipelines(page.pipelines)


def _print_pipelines(found: Iterable[pipelines_pb2.Pipeline]) -> None:
    from ingestor.cli.output import print_table

    print_table(
        ["name", "version", "stored"],
        [[p.name, str(p.version), p.create_time.ToDatetime().isoformat(" ", "seconds")] for p in found],
    )


@pipelines.command("versions")
@click.argument("name")
@json_option
@click.pass_obj
def versions(settings: Settings, name: str, as_json: bool) -> None:
    """All versions of a pipeline, newest first, also of a deleted one."""
    from ingestor.cli.output import print_json, to_dict

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


@pipelines.command("delete")
@click.argument("name")
@json_option
@click.pass_obj
def delete(settings: Settings, name: str, as_json: bool) -> None:
    """Take a pipeline out of use. Its versions stay, for the processes that ran with them."""
    from ingestor.cli.output import print_json

    settings.run(lambda client: client.delete_pipeline(name))
    if as_json:
        print_json({"name": name, "deleted": True})
    else:
        click.echo(f"{name} is deleted")


@pipelines.command("get")
@click.argument("reference", metavar="NAME[@VERSION]")
@json_option
@click.pass_obj
def get(settings: Settings, reference: str, as_json: bool) -> None:
    """The document of a pipeline."""
    from ingestor.cli.output import print_json, to_dict

    name, _, version = reference.partition("@")
    if version and not version.isdigit():
        raise click.BadParameter(f"{reference!r} is not NAME or NAME@VERSION")
    found = settings.run(lambda client: client.get_pipeline(name, int(version or 0)))
    if as_json:
        print_json(to_dict(found))
    else:
        click.echo(found.document_json)


@pipelines.command("validate")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("data", required=False, type=click.Path(path_type=Path, dir_okay=False))
@dialect_options
@json_option
@click.pass_obj
def validate(settings: Settings, file: Path, data: Path | None, dialect: str, as_json: bool) -> None:
    """Check the document in FILE and, with DATA, what it would say of that file's rows. Stores
    nothing. Exit status 3 when rows would be rejected."""
    from ingestor.cli.dry_run import dry_run, print_dry_run
    from ingestor.cli.output import print_json, to_dict

    if data is not None:
        found = settings.run(lambda client: dry_run(client, data, str(file), dialect, is_file=True))
        sys.exit(print_dry_run(found, data, as_json))

    async def work(client: Client) -> Any:
        return await client.apply_pipeline(file.read_text("utf-8"), dry_run=True)

    answer = settings.run(work)
    if as_json:
        print_json(to_dict(answer))
    else:
        click.echo("the document is valid")


for command in (up, down, env):
    main.add_command(command)

if __name__ == "__main__":
    main()
