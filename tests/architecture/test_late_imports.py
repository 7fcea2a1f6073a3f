"""Services do not import at their start what they may never use: each has memory of its own for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What reads a pipeline document whose fields have most types.
_READ = """
import sys
import ingestor.services.{service}.bootstrap
from ingestor.pipeline_documents import read_stored
fields = [dict(name=name, type=name) for name in ("integer", "number", "date", "datetime", "boolean", "list")]
fields.append(dict(name="one", type="year", constraints=dict(minimum="2000")))
if {reads}:
    import json
    read_stored("p", 1, json.dumps(dict(name="p", schema=dict(fields=fields), sink=dict(table="t"))))
print(*sys.modules)
"""


def _modules(service: str, *, reads: bool) -> set[str]:
    code = _READ.format(service=service, reads=reads)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("service", ["upload", "orchestrator", "status"])
def test_no_arrow(service: str) -> None:
    """Nor when the orchestrator reads documents."""
    assert "pyarrow.lib" not in _modules(service, reads=service == "orchestrator")


def test_no_client_of_http_in_upload() -> None:
    """A service without a queue calls URLs for the keys of an issuer only."""
    assert "aiohttp" not in _modules("upload", reads=False)
