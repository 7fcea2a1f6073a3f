"""Repeats an attack on a suite until its input ends.

    python -m tests.hostile GATEWAY ATTACK FOLDER

The first line of the input is an API key of the attackers' tenant.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.hostile.attacks import attacked


async def main(gateway: str, attack: str, folder: str) -> None:
    """Run it."""
    key = sys.stdin.readline().strip()
    async with attacked(gateway, key, attack, Path(folder)):
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
