"""COPY with ON_ERROR ignore: leaves out a record with a wrong value; one with a field too few ends it."""

import asyncio
import re

import asyncpg

from bench.peers.tools.common import create, finish, options


async def main() -> None:
    """Load the file; what PostgreSQL leaves out comes as notices, which name the lines."""
    chosen = options()
    named: list[int] = []
    last = ""

    def notice(_: object, message: asyncpg.PostgresLogMessage) -> None:
        nonlocal last
        last = str(message)
        # 'skipping row due to data type incompatibility at line 101 for column "visits": "n/a"'
        named.extend(int(line) - 1 for line in re.findall(r"at line (\d+) for column", last))

    connection = await asyncpg.connect(chosen.dsn)
    connection.add_log_listener(notice)
    await connection.execute(create(chosen.table))
    # asyncpg's copy_to_table does not know ON_ERROR.
    statement = f"COPY {chosen.table} FROM STDIN (FORMAT csv, HEADER, ON_ERROR ignore, LOG_VERBOSITY verbose)"
    try:
        await connection._copy_in(statement, chosen.file, None)  # type: ignore[attr-defined]
    except asyncpg.DataError as error:
        lines = re.findall(r"line (\d+)", str(error.context))
        finish(1, f"{error} {error.context}", [*named, *(int(line) - 1 for line in lines)])
    finally:
        await connection.close()
    finish(0, last, named)


if __name__ == "__main__":
    asyncio.run(main())
