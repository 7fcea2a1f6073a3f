"""The one-way imports of docs/architecture.md, held by reading every module's import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = (ROOT / "ingestor" / "v1", ROOT / "ingestor" / "internal" / "v1")
SERVICES = ("upload", "orchestrator", "processor", "status")


def modules(*folders: str) -> Iterator[Path]:
    """Every Python file of the folders, generated code apart."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.parent not in GENERATED:
                yield path


def imports(path: Path) -> set[str]:
    """The full names that a module imports, wherever in it the statement stands."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_the_modules_are_found() -> None:
    assert len(list(modules("ingestor", "services"))) > 40


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_imports_another(service: str) -> None:
    others = tuple(f"ingestor.services.{other}" for other in SERVICES if other != service)
    for path in modules(f"services/{service}"):
        wrong = {name for name in imports(path) if name.startswith(others)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_shared_code_imports_no_service() -> None:
    for path in modules("ingestor"):
        wrong = {name for name in imports(path) if name.startswith("ingestor.services")}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_the_runtime_knows_no_domain() -> None:
    allowed = ("ingestor.runtime",)
    for path in modules("ingestor/runtime"):
        wrong = {n for n in imports(path) if n.startswith("ingestor") and not n.startswith(allowed)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("columns", ()),
        ("types", ("columns",)),
        ("pipelines", ("types", "tabular", "notices", "outcomes")),
        ("checking", ("columns", "outcomes", "readings", "types", "tabular", "pipelines", "plugins")),
    ],
)
def test_the_column_engine_imports_one_way(folder: str, allowed: tuple[str, ...]) -> None:
    """Columns, types, pipelines, checking: each knows only those before it."""
    known = tuple(f"ingestor.{name}" for name in (folder, *allowed))
    for path in modules(f"ingestor/{folder}"):
        wrong = {n for n in imports(path) if n.startswith("ingestor") and not n.startswith(known)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("service", SERVICES)
def test_only_the_bootstrap_imports_adapters(service: str) -> None:
    adapters = f"ingestor.services.{service}.adapters"
    for path in modules(f"services/{service}"):
        relative = path.relative_to(ROOT / "services" / service)
        if relative.parts[0] == "adapters" or relative.name == "bootstrap.py":
            continue
        wrong = {name for name in imports(path) if name.startswith(adapters)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("service", SERVICES)
def test_protobuf_stays_at_the_edge(service: str) -> None:
    for path in modules(f"services/{service}"):
        relative = path.relative_to(ROOT / "services" / service)
        if relative.parts[0] == "adapters" or relative.name in {"api.py", "bootstrap.py", "wire.py"}:
            continue
        wrong = {
            n
            for n in imports(path)
            if n.startswith(("ingestor.v1", "ingestor.internal", "google.protobuf", "grpc"))
        }
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("service", SERVICES)
def test_domain_and_use_cases_do_no_io_of_their_own(service: str) -> None:
    outside = ("asyncpg", "aiobotocore", "botocore", "aiohttp", "socket", "subprocess", "os")
    for path in modules(f"services/{service}"):
        relative = path.relative_to(ROOT / "services" / service)
        if relative.parts[0] == "adapters" or relative.name in {"bootstrap.py", "__main__.py"}:
            continue
        wrong = {n for n in imports(path) if n.split(".")[0] in outside}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_nothing_reads_the_environment_in_a_service() -> None:
    """Settings come from settings.py alone."""
    for path in modules("services"):
        text = path.read_text("utf-8")
        assert "os.environ" not in text and "getenv" not in text, path.relative_to(ROOT)


def test_the_public_contract_does_not_know_the_internal_one() -> None:
    public = sorted((ROOT / "protos" / "ingestor" / "v1").glob("*.proto"))
    assert len(public) >= 6
    for path in public:
        imported = [line for line in path.read_text("utf-8").splitlines() if line.startswith("import ")]
        assert not [line for line in imported if "internal" in line], path.relative_to(ROOT)


def test_only_services_speak_the_internal_contract() -> None:
    page = ROOT / "frontend" / "src"
    sources = [path for path in page.rglob("*.ts*") if not path.is_relative_to(page / "gen")]
    sources.append(ROOT / "frontend" / "buf.gen.yaml")
    clients = [*modules("ingestor/client", "ingestor/cli"), *sources]
    assert len(clients) > 20
    for path in clients:
        text = path.read_text("utf-8")
        assert "ingestor.internal" not in text and "ingestor/internal" not in text, path.relative_to(ROOT)
