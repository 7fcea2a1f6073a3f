"""Programs beside the service."""

from __future__ import annotations

import json
import sys

import pytest

from ingestor.services.upload.adapters.programs import running


async def test_a_program_does_not_get_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads files of strangers; whoever takes it over finds no password in its environment."""
    secrets = ("INGESTOR_INTERNAL_KEYS", "INGESTOR_DATABASE_URL", "AWS_SECRET_ACCESS_KEY")
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    async with running(sys.executable, "-c", script) as program:
        found = json.loads(await program.output.read())
        assert await program.wait() == 0
    assert found["LANG"] == "C.UTF-8"
    assert not [name for name in found if name.startswith(("INGESTOR_", "AWS_"))]
