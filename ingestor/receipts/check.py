"""Checks a receipt with nothing but its file, and perhaps the file that was sent and a known key."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ingestor.receipts.document import VERSION, batches_digest, canonical
from ingestor.receipts.keys import ALGORITHM, is_signed, key_id

MOST_BYTES = 256 * 2**20
_PIECE = 2**20
_COUNTS = ("succeeded", "failed", "skipped", "unprocessed")


class NoReceiptError(ValueError):
    """The file is not a receipt; the message says why."""


@dataclass
class Checked:
    """What a check has found. `holds` are sentences about what is right, `wrong` about what is not."""

    receipt: Mapping[str, Any]
    key_id: str = ""
    is_genuine: bool = False  # signed, with the known key if one was given
    holds: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, right: bool, good: str, bad: str) -> None:
        """Note a result."""
        (self.holds if right else self.wrong).append(good if right else bad)


def check(data: bytes, *, known: bytes | None = None, file: Path | None = None) -> Checked:
    """Check the signature and the hashes of a receipt; with `known` (32 bytes) also whether this key has
    signed it, with `file` whether it is about this file. Raises NoReceiptError, and OSError for the file."""
    receipt, signature = _read(data)
    found = Checked(receipt)
    _check_signature(found, signature, known)
    found.is_genuine = not found.wrong
    _check_batches(found)
    if file is not None:
        with file.open("rb") as opened:
            _check_file(found, opened, file.name)
    return found


def _read(data: bytes) -> tuple[Mapping[str, Any], Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise NoReceiptError("it is not JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("receipt"), dict):
        raise NoReceiptError('it has no "receipt"')
    receipt = document["receipt"]
    if receipt.get("version") != VERSION:
        raise NoReceiptError(f"its version is {receipt.get('version')!r}, and this release knows {VERSION}")
    return receipt, document.get("signature")


def _check_signature(found: Checked, signature: Any, known: bytes | None) -> None:
    if signature is None:
        found.wrong.append("It is not signed: the suite had no key for receipts.")
        return
    try:
        if signature["algorithm"] != ALGORITHM:
            raise ValueError
        public = base64.b64decode(signature["public_key"], validate=True)
        right = is_signed(
            public, base64.b64decode(signature["value"], validate=True), canonical(found.receipt)
        )
    except (ValueError, KeyError, TypeError):
        found.wrong.append("Its signature cannot be read.")
        return
    found.key_id = key_id(public)
    found.note(
        right,
        f"The signature holds (key {found.key_id}).",
        "The signature does not hold: the receipt was changed after it was made.",
    )
    if known is not None:
        found.note(
            public == known,
            "The key is the known one.",
            f"The key is not the known one ({key_id(known)}): somebody else may have made the receipt.",
        )


def _check_batches(found: Checked) -> None:
    """What the receipt says of its batches must give what it says of the process."""
    receipt = found.receipt
    try:
        batches = receipt["batches"]
        hashes = batches_digest(batches) == receipt["batches_sha256"]
        counts = receipt["process"]["counts"]
        adds_up = all(sum(batch[name] for batch in batches) == counts[name] for name in _COUNTS)
        agrees = receipt["result"] == "agrees"
    except (KeyError, TypeError):
        found.wrong.append("Parts of it are missing.")
        return
    found.note(
        hashes,
        f"The hash of its {len(batches):,} batches holds.",
        "The hash of its batches does not hold.",
    )
    if agrees:  # else the counts may be what disagrees
        found.note(
            adds_up,
            "Its batches add up to the counts of the process.",
            "Its batches do not add up to the counts of the process.",
        )


def _check_file(found: Checked, opened: BinaryIO, name: str) -> None:
    known = found.receipt.get("file")
    if not isinstance(known, dict):
        found.wrong.append("It has no hash of the file, which was gone when the process was verified.")
        return
    whole, size = hashlib.sha256(), 0
    while piece := opened.read(_PIECE):
        whole.update(piece)
        size += len(piece)
    if whole.hexdigest() == known.get("sha256"):
        found.holds.append(f"{name} is the file that was loaded.")
        return
    where = _first_difference(found.receipt, opened) if known.get("batches_are_of_it") else ""
    found.wrong.append(
        f"{name} is not the file that was loaded: {size:,} bytes, SHA-256 {whole.hexdigest()}; the receipt "
        f"says {known.get('size_bytes', 0):,} bytes, {known.get('sha256')}.{where}"
    )


def _first_difference(receipt: Mapping[str, Any], opened: BinaryIO) -> str:
    for batch in receipt.get("batches", ()):
        if not batch.get("sha256"):
            continue
        opened.seek(batch["byte_start"])
        if (
            hashlib.sha256(opened.read(batch["byte_end"] - batch["byte_start"])).hexdigest()
            != batch["sha256"]
        ):
            last = batch["first_row"] + batch["row_count"] - 1
            return f" The first rows that differ are among {batch['first_row']:,} to {last:,}."
    return ""
