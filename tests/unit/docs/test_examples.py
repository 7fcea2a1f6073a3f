"""The documentation is run: every pipeline document is checked as `pipelines apply` does, every file of the
pipeline guides goes through a dry run, a command prints what its example shows, and all commands, options and
functions exist."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import mypy.api
import pytest
import yaml

from ingestor import client
from ingestor.checking.steps.plug_in import plug_in
from ingestor.cli.dry_run import print_dry_run
from ingestor.cli.main import main
from ingestor.cli.output import errors_in_one_line
from ingestor.pipeline_documents import read_document
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.expressions import FUNCTIONS
from ingestor.pipelines.transforms import BUILT_IN
from ingestor.plugin_sinks import sink_maker
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.services.processor.dry_run import dry_run
from ingestor.tabular.options import parse_options, pipeline_options
from ingestor.v1 import common_pb2, processor_pb2
from tests.fakes.dry_run import MemoryDryRunTables
from tests.fakes.sink import MemorySink
from tests.fakes.work import WORK
from tests.plugins import install

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "guides" / "pipelines").glob("*.md"))
# Written by hand, and read by people: what is generated is made from what it describes.
PAGES = [
    *(page for page in sorted(DOCS.rglob("*.md")) if "grpc" not in page.parts),
    ROOT / "README.md",
    *sorted(ROOT.glob("examples/*/README.md")),
]
# A block in another language would be run by nobody.
LANGUAGES = (
    "json",
    "yaml",
    "csv",
    "console",
    "python",
    "toml",
    "sh",
    "text",
    "",
    "{eval-rst}",
    "{toctree}",
    "{include}",
)


@dataclass
class Example:
    """A document, or a part of one, a file that goes with it, and what a command says of them."""

    page: Path
    line: int
    document: str = ""
    data: str = ""
    command: str = ""
    output: str = ""

    def __str__(self) -> str:
        return f"{self.page.stem}:{self.line}"


def _blocks(page: Path) -> Iterator[tuple[int, str, str]]:
    """The fenced blocks of a page: line, language, text."""
    text = page.read_text("utf-8")
    for block in re.finditer(r"^```([^\s]*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, block.start()) + 1, block[1], block[2]


def _examples(page: Path) -> list[Example]:
    """The blocks of a guide, those together that belong together: each document begins an example, and so
    does a file behind a finished one. Commands whose output is not shown are not run."""
    found: list[Example] = []
    for line, language, text in _blocks(page):
        if language == "json" or (language == "csv" and (not found or found[-1].command)):
            found.append(Example(page, line))
        if language == "json":
            found[-1].document = text
        elif language == "csv":
            assert not found[-1].data
            found[-1].data = text
        elif language == "console":
            command, _, output = text.partition("\n")
            if output and not output.startswith("$ "):
                found[-1].command, found[-1].output = command.removeprefix("$ "), output
    return found


EXAMPLES = [example for page in GUIDES for example in _examples(page)]


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The examples' plug-ins, which the guide uses, are installed for the tests of this module only."""
    target = tmp_path_factory.mktemp("site")
    for example in ("plugin_transform", "plugin_sink"):
        install(example, target)
    sys.path.insert(0, str(target))
    for cached in (plug_in, sink_maker):
        cached.cache_clear()
    yield
    sys.path.remove(str(target))
    for module in ("phone_numbers", "batch_files"):
        sys.modules.pop(module, None)
    for cached in (plug_in, sink_maker):
        cached.cache_clear()


def _whole(text: str) -> str:
    """A document; a step alone becomes the only one of a document."""
    found = json.loads(text)
    if "op" not in found:
        return text
    fields = [{"name": name, "type": "string"} for name in found.get("columns", ["a"])]
    document = {"name": "step", "schema": {"fields": fields}, "transforms": [found], "sink": {"table": "t"}}
    return json.dumps(document)


def _dry_run(pipeline: Pipeline | None, data: str) -> processor_pb2.DryRunResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield data.encode()

    options = pipeline_options(pipeline.canonical_json()) if pipeline else parse_options("")
    sink = MemorySink()
    if pipeline and pipeline.table_schema.foreign_keys:
        sink.tables["customers"] = [{"id": 1}]  # to which the example refers
    found = asyncio.run(dry_run(chunks(), pipeline, options, False, MemoryDryRunTables(sink), WORK))
    return processor_pb2.DryRunResponse(
        counts=common_pb2.RowCounts(
            read=found.read, succeeded=found.succeeded, failed=found.failed, skipped=found.skipped
        ),
        rows=[
            processor_pb2.RejectedRow(
                row_number=row.row_number,
                line_number=row.line_number,
                errors=[common_pb2.RowError(code=e.code, message=e.message) for e in row.errors],
            )
            for row in found.rows
        ],
    )


def _apply(document: str) -> None:
    """Raises what the client raises of a document that is wrong."""
    try:
        read_document(document)
    except InvalidArgumentError as error:
        fields = {violation.field: violation.description for violation in error.violations}
        raise client.InvalidArgumentError(error.message, reason=error.reason, fields=fields) from error


def run(example: Example, capsys: pytest.CaptureFixture[str]) -> str:
    """What the example's command prints."""
    document = _whole(example.document) if example.document else ""
    if example.command.startswith("ingestor pipelines apply "):
        with pytest.raises(SystemExit), errors_in_one_line(""):
            _apply(document)
    else:
        pipeline = read_document(document) if document else None
        print_dry_run(_dry_run(pipeline, example.data), Path("data.csv"), as_json=False)
    printed = capsys.readouterr()
    lines = (printed.out + printed.err).splitlines()
    return "".join(line.rstrip() + "\n" for line in lines)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 14
    assert sum(bool(example.command) for example in EXAMPLES) >= 7


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_does_what_the_guide_says(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    if example.command:
        assert run(example, capsys) == example.output
        return
    pipeline = read_document(_whole(example.document))
    if example.data:
        counts = _dry_run(pipeline, example.data).counts
        assert counts.read == counts.succeeded > 0


def test_an_example_that_is_wrong_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    good = next(example for example in EXAMPLES if example.document and example.data and example.command)
    wrong = Example(
        good.page, 0, good.document.replace('"fields"', '"feilds"'), good.data, good.command, good.output
    )
    with pytest.raises(InvalidArgumentError):
        run(wrong, capsys)
    other = Example(good.page, 0, good.document, good.data + "x\n", good.command, good.output)
    assert run(other, capsys) != good.output


def test_every_block_is_checked_by_somebody() -> None:
    for page in PAGES:
        for line, language, _ in _blocks(page):
            assert language in (*LANGUAGES, "mermaid"), f"{page.name}:{line}: {language}"


def test_yaml_can_be_read() -> None:
    for page in PAGES:
        for _, language, text in _blocks(page):
            if language == "yaml":
                assert yaml.safe_load(text), page.name


def test_documents_outside_the_pipeline_guides_are_none() -> None:
    """JSON elsewhere would not be run."""
    pages = [page for page in PAGES if page.is_relative_to(DOCS) and page not in GUIDES]
    assert [page.name for page in pages for _, language, _ in _blocks(page) if language == "json"] == []


def _commands() -> set[str]:
    """Everything that begins with `ingestor` in code."""
    found: set[str] = set()
    for page in PAGES:
        found |= set(re.findall(r"`(ingestor [^`\n]+)`", page.read_text("utf-8")))
        for _, language, text in _blocks(page):
            if language in ("console", "text", ""):
                found |= set(re.findall(r"^\$ (?:\S*/)?(ingestor .*?)(?: > \S+)?$", text, re.MULTILINE))
    return found


@pytest.mark.parametrize("text", sorted(_commands()))
def test_a_command_is_one(text: str) -> None:
    words = shlex.split(text)[1:]
    command: Any = main
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, text
        command = found
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= options
    # It takes as many arguments as the guide gives it.
    command.make_parser(click.Context(command)).parse_args(list(words))


def test_python_examples_fit_the_client(tmp_path: Path) -> None:
    """By mypy, so that each name exists, and takes and gives what the example says."""
    examples = []
    for page in PAGES:
        for line, language, text in _blocks(page):
            if language == "python":
                examples.append(tmp_path / f"{page.stem.lower().replace('-', '_')}_{line}.py")
                examples[-1].write_text(text)
    assert examples
    printed, errors, status = mypy.api.run(["--cache-dir", str(ROOT / ".mypy_cache"), *map(str, examples)])
    assert status == 0, printed + errors


def test_the_guide_lists_the_functions_that_exist() -> None:
    guide = (DOCS / "guides" / "pipelines" / "filters-and-rules.md").read_text("utf-8")
    block = re.search(r"and the functions\n\n((?:    .*\n)+)", guide)
    assert block is not None
    assert set(block[1].split()) == FUNCTIONS


def test_every_step_is_explained() -> None:
    guide = (DOCS / "guides" / "pipelines" / "transforms.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z]+)` \| `(?:column|into|columns)", guide, re.MULTILINE)) == BUILT_IN


def test_what_an_evolving_table_gets() -> None:
    example = next(example for example in EXAMPLES if '"evolve"' in example.document)
    pipeline = read_document(example.document)
    header = example.data.partition("\n")[0].split(",")
    added = [field.name for field in pipeline.evolved(header).fields[len(pipeline.fields) :]]
    assert f"the table `{pipeline.sink.table}` gets `{'` and `'.join(added)}`" in (  # type: ignore[union-attr]
        example.page.read_text("utf-8")
    )
