"""A bare COPY: the fastest that there is; one wrong value ends it."""

import asyncio
import re

import asyncpg

from bench.peers.tools.common import create, finish, options


async def main() -> None:
    """Load the file."""
    chosen = options()
    connection = await asyncpg.connect(chosen.dsn)
    await connection.execute(create(chosen.table))
    try:
        await connection.copy_to_table(chosen.table, source=chosen.file, format="csv", header=True)
    except asyncpg.DataError as error:
        # "COPY t, line 101, column visits": the header is line 1.
        lines = re.findall(r"line (\d+)", str(error.context))
        finish(1, f"{error} {error.context}", [int(line) - 1 for line in lines])
    finally:
        await connection.close()
    finish(0, "")


if __name__ == "__main__":
    asyncio.run(main())
