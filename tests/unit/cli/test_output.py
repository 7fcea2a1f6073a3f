"""What the commands print."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ingestor.cli import main as main_module
from ingestor.cli.main import MODULES, main
from ingestor.cli.output import errors_in_one_line, place, to_dict
from ingestor.cli.summary import exit_status, summary
from ingestor.client import InvalidArgumentError, UnavailableError
from ingestor.v1 import common_pb2, status_pb2


def test_messages_become_plain_json() -> None:
    process = status_pb2.Process(
        info=common_pb2.ProcessInfo(process_id="p", size_bytes=2**40),
        state=common_pb2.PROCESS_STATE_COMPLETED,
        counts=common_pb2.RowCounts(read=2**53 + 1),
    )
    made = to_dict(process)
    assert made["state"] == "COMPLETED"
    assert made["counts"]["read"] == 2**53 + 1
    assert made["info"]["size_bytes"] == 2**40
    row = to_dict(
        status_pb2.ListRowsResponse(
            rows=[
                status_pb2.Row(
                    row_number=3,
                    state=common_pb2.ROW_STATE_FAILED,
                    errors=[common_pb2.RowError(phase=common_pb2.ERROR_PHASE_LOAD)],
                )
            ]
        )
    )["rows"][0]
    assert (row["row_number"], row["state"], row["errors"][0]["phase"]) == (3, "FAILED", "LOAD")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (common_pb2.PROCESS_STATE_COMPLETED, 0),
        (common_pb2.PROCESS_STATE_COMPLETED_WITH_ERRORS, 3),
        (common_pb2.PROCESS_STATE_FAILED, 1),
        (common_pb2.PROCESS_STATE_CANCELLED, 1),
    ],
)
def test_exit_statuses(state: common_pb2.ProcessState.ValueType, status: int) -> None:
    assert exit_status(state) == status
    assert exit_status(common_pb2.PROCESS_STATE_PROCESSING, running=0) == 0


def test_the_summary_names_the_failure() -> None:
    process = status_pb2.Process(
        state=common_pb2.PROCESS_STATE_FAILED,
        failure=common_pb2.ProcessFailure(reason="FILE_EMPTY", message="The file is empty."),
    )
    made = summary(process, 1.23456)
    assert made["failure"] == {"reason": "FILE_EMPTY", "message": "The file is empty."}
    assert (made["seconds"], made["pipeline"]) == (1.235, None)
    json.dumps(made)


def test_errors_are_one_line_and_their_violations(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left, errors_in_one_line("somewhere:1"):
        raise InvalidArgumentError("It is wrong.", reason="BAD", fields={"/schema": "is missing"})
    assert left.value.code == 1
    assert capsys.readouterr().err == "error: It is wrong. (BAD)\n  /schema: is missing\n"
    with pytest.raises(SystemExit), errors_in_one_line("somewhere:1"):
        raise UnavailableError("refused")
    assert "somewhere:1" in capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    done = CliRunner().invoke(main, ["--address", "127.0.0.1:1", "ingest", str(missing)])
    assert done.exit_code == 1
    assert str(missing) in done.stderr


def test_a_file_name_may_begin_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-a.csv").write_text("id\n1\n")
    done = CliRunner().invoke(main, ["inspect", "--json", "--", "-a.csv"])
    assert [column["label"] for column in json.loads(done.stdout)["columns"]] == ["id"]
    assert CliRunner().invoke(main, ["inspect", "-a.csv"]).exit_code == 2


def test_what_excludes_what_is_a_usage_error() -> None:
    for options, named in (
        (["--dry-run", "--no-wait"], "--no-wait"),
        (["--dry-run", "--repair", "p"], "--repair"),
        (["--repair", "p", "--pipeline", "q"], "--pipeline"),
    ):
        done = CliRunner().invoke(main, ["ingest", "a.csv", *options])
        assert done.exit_code == 2
        assert named in done.stderr.splitlines()[-1]


def test_commands_of_the_suite_name_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ingestor.local.suite", "ingestor.local.folder", "psutil"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "psutil", None)  # as if it were not installed
    for command in (["up"], ["up", "--detach"], ["down"], ["env"]):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 1
        assert (
            done.stderr == "error: the suite is not installed here: run pip install 'data-ingestor[local]'\n"
        )


def test_help_starts_quickly() -> None:
    """It imports nothing that only some commands need."""
    heavy = ("numpy", "pyarrow", "pydantic", "structlog", "rich", "asyncpg")
    others = ("ingestor.cli.ingest", "ingestor.cli.suite")
    assert imported_by("ingestor.cli.main", *heavy, *others) == set()
    rarely = ("cryptography", "urllib.request", "google.protobuf.json_format", "ingestor.receipts")
    assert imported_by("ingestor.cli.ingest", *heavy, *rarely, "ingestor.cli.suite") == set()


def imported_by(module: str, *names: str) -> set[str]:
    """Which of these modules the import of one imports."""
    code = f"import json, sys, {module}; print(json.dumps([name for name in {names} if name in sys.modules]))"
    return set(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))


def test_each_command_is_in_the_module_that_is_imported_for_it() -> None:
    for module, names in MODULES.items():
        assert {command.name for command in import_module(module).COMMANDS} == set(names)
    folder = Path(main_module.__file__).parent
    having = [path for path in folder.rglob("*.py") if "\nCOMMANDS = " in path.read_text("utf-8")]
    assert len(having) == len(MODULES)


def words_of(command: click.Command) -> Iterator[list[str]]:
    """The words that run each command of a group, in groups of it too."""
    if not isinstance(command, click.Group):
        yield []
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from ([name, *words] for words in words_of(inner))


def test_every_command_has_help_and_json() -> None:
    runner = CliRunner()
    names = list(words_of(main))
    assert len(names) > 15
    assert ["pipelines", "infer"] in names
    assert ["admin", "tenants", "remove"] in names
    for words in names:
        shown = runner.invoke(main, [*words, "--help"])
        assert shown.exit_code == 0
        assert "--json" in shown.output, words


def test_a_line_that_is_not_known_is_not_named() -> None:
    assert (place(1, 2), place(1, 0)) == ("row 1, line 2", "row 1")
