"""Sling's command line, with the columns' types declared."""

from __future__ import annotations

import json

from bench.peers.tools.common import command, finish, options

_TYPES = {
    "id": "bigint", "name": "string", "email": "string", "city": "string", "amount": "decimal",
    "rate": "decimal", "born": "date", "seen": "timestampz", "active": "bool", "visits": "bigint",
}  # fmt: skip


def main() -> None:
    """Load the file."""
    chosen = options()
    program = next(chosen.python.parent.glob("lib/*/site-packages/sling_linux_amd64/bin/sling-linux-amd64"))
    program.chmod(0o755)
    status, said = command(
        [
            program, "run", "--src-stream", f"file://{chosen.file.absolute()}", "--tgt-conn", "TARGET",
            "--tgt-object", f"public.{chosen.table}", "--mode", "full-refresh",
            "--columns", json.dumps(_TYPES),
        ],
        TARGET=f"{chosen.dsn}?sslmode=disable", SLING_DISABLE_TELEMETRY="true",
    )  # fmt: skip
    finish(status, said)


if __name__ == "__main__":
    main()
