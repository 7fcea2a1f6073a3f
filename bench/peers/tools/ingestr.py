"""ingestr's command line, with the columns' types declared."""

from __future__ import annotations

from bench.peers.tools.common import command, finish, options

_TYPES = {
    "id": "bigint", "amount": "decimal", "rate": "decimal", "born": "date", "seen": "timestamp",
    "active": "boolean", "visits": "bigint",
}  # fmt: skip


def main() -> None:
    """Load the file."""
    chosen = options()
    status, said = command(
        [
            chosen.python / "ingestr", "ingest", "--source-uri", f"csv://{chosen.file.absolute()}",
            "--source-table", "table", "--dest-uri", f"{chosen.dsn}?sslmode=disable",
            "--dest-table", f"public.{chosen.table}", "--yes",
            "--columns", ",".join(f"{name}:{kind}" for name, kind in _TYPES.items()),
        ],
        DISABLE_TELEMETRY="true",
    )  # fmt: skip
    finish(status, said)


if __name__ == "__main__":
    main()
