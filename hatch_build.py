"""Build hook: generates `ingestor.v1` and `ingestor.internal.v1` (messages, gRPC stubs, and types for
both) from `protos/`, and takes the page into a wheel when it is built.

Runs at every install, editable ones too, so generated code is never committed.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The public contract, and what only the services say to each other.
PACKAGES = ("ingestor/v1", "ingestor/internal/v1")


class ProtobufBuildHook(BuildHookInterface[Any]):
    """Generates the package before hatchling collects files."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the packages; raises RuntimeError when protoc refuses a file."""
        generate(Path(self.root))
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"].update(page_files(Path(self.root)))


def page_files(root: Path) -> dict[str, str]:
    """The files of the built page and where a wheel has them; none when it is not built."""
    page = root / "frontend" / "dist"
    if not (page / "index.html").is_file():
        return {}
    files = (path for path in page.rglob("*") if path.is_file())
    places = ((path, path.relative_to(page)) for path in sorted(files))
    return {
        str(path): f"ingestor/web/built/{place.as_posix()}"
        for path, place in places
        if not any(part.startswith(".") for part in place.parts)
    }


def generate(root: Path) -> None:
    """Generate the packages of `root/protos` below `root`; raises RuntimeError when protoc fails."""
    from grpc_tools import protoc

    protos = root / "protos"
    for package in PACKAGES:
        shutil.rmtree(root / package, ignore_errors=True)
        (root / package).mkdir(parents=True)
    # protoc finds its plug-ins (mypy-protobuf) beside the interpreter.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    arguments = [
        "protoc",
        f"--proto_path={protos}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={root}",
        f"--grpc_python_out={root}",
        f"--mypy_out={root}",
        f"--mypy_grpc_out={root}",
        *(str(path) for package in PACKAGES for path in sorted((protos / package).glob("*.proto"))),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed; its messages are above")
    for package in PACKAGES:
        (root / package / "__init__.py").write_text(f'"""Generated from protos/{package}; do not edit."""\n')
        (root / package / "py.typed").write_text("")


if __name__ == "__main__":
    generate(Path(__file__).parent)
