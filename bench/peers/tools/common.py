"""What the scripts share: their options, and how they say what came of it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

SQL_COLUMNS = {
    "id": "bigint", "name": "text", "email": "text", "city": "text", "amount": "numeric",
    "rate": "numeric", "born": "date", "seen": "timestamptz", "active": "boolean", "visits": "bigint",
}  # fmt: skip
_SAID_CHARACTERS = 300


def options() -> argparse.Namespace:
    """The options of a script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--gateway")
    parser.add_argument("--sqs")
    parser.add_argument("--python", type=Path, help="the folder of the peers' programs")
    return parser.parse_args()


def parts(dsn: str) -> dict[str, str]:
    """A DSN's user, password, host, port and database."""
    found = urlsplit(dsn)
    return {
        "user": found.username or "",
        "password": found.password or "",
        "host": found.hostname or "",
        "port": str(found.port),
        "database": found.path.lstrip("/"),
    }


def create(table: str, options: str = "PRIMARY KEY (id)") -> str:
    """The statement that makes the table."""
    columns = ", ".join(f"{name} {kind}" for name, kind in SQL_COLUMNS.items())
    return f"CREATE TABLE {table} ({columns}, {options})"


def command(line: Sequence[str | Path], **environment: str) -> tuple[int, str]:
    """Run a program; its exit status and what it printed."""
    done = subprocess.run(
        [str(word) for word in line],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout


def finish(status: int, said: str, named: Sequence[int] = ()) -> None:
    """Print the result, and exit."""
    print(json.dumps({"named": list(named), "said": said.strip()[-_SAID_CHARACTERS:]}))
    sys.exit(status)
