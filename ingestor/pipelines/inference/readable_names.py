"""Names of fields, tables and pipelines from what people wrote: in letters of a to z that read like it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from anyascii import anyascii

from ingestor.pipelines.names import is_reserved

# Leaves room for "_2" and the like.
_LONGEST = 50
# As German writes them without marks; anyascii leaves the marks out.
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
# What says how a file is packed and written, not what it holds.
_ENDINGS = re.compile(
    r"(\.(csv|tsv|tab|txt|dat|jsonl?|ndjson|xlsx|xlsm|parquet|gz|zst|zip))+$", re.ASCII | re.IGNORECASE
)


def identifier(text: str, otherwise: str) -> str:
    """A text as a name of PostgreSQL that needs no quotes: "Straße" is "strasse", "客户编号" is
    "kehubianhao". `otherwise` where it has no letter and no digit."""
    made = re.sub(r"[^a-z0-9]+", "_", _in_ascii(text[:200]).lower()).strip("_")
    if not made:
        return otherwise
    return (made if made[0].isalpha() else f"c_{made}")[:_LONGEST].rstrip("_")


def field_names(labels: Sequence[str]) -> list[str]:
    """Names of the fields of columns with these labels, all different."""
    names: list[str] = []
    taken: set[str] = set()
    for position, label in enumerate(labels, 1):
        base = identifier(label, f"column_{position}")
        name, number = base, 1
        while name in taken or is_reserved(name):
            number += 1
            name = f"{base}_{number}"
        names.append(name)
        taken.add(name)
    return names


def stem_of(file_name: str) -> str:
    """A file's name without its folder and its endings: "Kunden 2024.csv.gz" is "Kunden 2024"."""
    name = re.split(r"[/\\]", file_name)[-1]
    return _ENDINGS.sub("", name) or name


def load_letters() -> None:
    """Read what anyascii reads when it meets a letter: a confined process may not be able to."""
    for block in files("anyascii").joinpath("_data").iterdir():
        if re.fullmatch("[0-9a-f]{3}", block.name):
            anyascii(chr(int(block.name, 16) << 8 | 0x80))


def _in_ascii(text: str) -> str:
    return anyascii(text.translate(_TWO_LETTERS))
