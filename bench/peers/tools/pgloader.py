"""pgloader (Debian's package): bad records go to a file, and the reasons to a log."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.peers.tools.common import SQL_COLUMNS, command, create, finish, options, parts


def main() -> None:
    """Load the file."""
    chosen = options()
    to = parts(chosen.dsn)
    columns = ", ".join(SQL_COLUMNS)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load"
        script.write_text(
            f"LOAD CSV FROM '{chosen.file.absolute()}' WITH ENCODING UTF-8 ({columns})\n"
            f"INTO postgresql://{to['user']}:{to['password']}@{to['host']}:{to['port']}/{to['database']}"
            f"?sslmode=disable TARGET TABLE public.{chosen.table} ({columns})\n"
            "WITH skip header = 1, fields optionally enclosed by '\"', fields terminated by ','\n"
            f"BEFORE LOAD DO $$ {create(chosen.table)} $$;\n"
        )
        status, said = command(["pgloader", "--root-dir", folder, script])
        # It keeps refused records as they were read, the id first; the reasons are in a log beside them.
        refused = [path for path in Path(folder).rglob(f"{chosen.table}.dat") if path.stat().st_size]
        lines = [line for path in refused for line in path.read_bytes().splitlines() if line]
        named = [int(line.partition(b"\t")[0]) for line in lines]
    finish(status, said, named)


if __name__ == "__main__":
    main()
