"""The benchmark's file with wrong records in it."""

from __future__ import annotations

from pathlib import Path

EVERY = 100
# In turn: text in a number, a date that there is not, an amount with a stray letter, a field too few.
_WRONG = 4


def write_bad(good: Path, path: Path, every: int = EVERY) -> set[int]:
    """Write to `path` what `good` has, with one in `every` records made wrong; their numbers."""
    numbers = set()
    with good.open("rb") as source, path.open("wb") as target:
        for number, line in enumerate(source):
            if number and number % every == 0:
                target.write(_wrong(line, number // every % _WRONG))
                numbers.add(number)
            else:
                target.write(line)
    return numbers


def _wrong(line: bytes, kind: int) -> bytes:
    cells = line.rstrip(b"\n").rsplit(
        b",", 6
    )  # the fields up to `city`, which may be quoted; then the last six
    if kind == 0:
        cells[6] = b"n/a"  # visits
    elif kind == 1:
        cells[3] = b"2024-02-30"  # born
    elif kind == 2:
        cells[1] += b"x"  # amount
    else:
        del cells[6]
    return b",".join(cells) + b"\n"
