"""A receipt as a document: its bytes, its hashes, its signature.

    {"receipt": {...}, "signature": {"algorithm": "Ed25519", "key_id", "public_key", "value"} or null}

The signature is over the canonical JSON of `receipt` (RFC 8785 for what is in it: keys sorted, no white
space, UTF-8, no numbers but whole ones), so that any program can check it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ingestor.receipts.keys import ReceiptKey

VERSION = 1
MEDIA_TYPE = "application/json"

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def canonical(value: Any) -> bytes:
    """The canonical JSON of objects, arrays, texts, whole numbers, truth values and null."""
    return _encode(value).encode("utf-8", "backslashreplace")


def digest(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def batches_digest(batches: Sequence[Mapping[str, Any]]) -> str:
    """The hash of all batches of a receipt."""
    return digest(canonical(list(batches)))


def outcomes_digest(rows: Iterable[tuple[int, str, str]]) -> str:
    """The hash of rows: for each its number, its state and the code of its first error ("" without one), with
    tabs between them and a line feed after each. A report of all rows says the same."""
    made = hashlib.sha256()
    for number, state, code in rows:
        made.update(f"{number}\t{state}\t{code}\n".encode())
    return made.hexdigest()


def signed(receipt: Mapping[str, Any], key: ReceiptKey | None) -> bytes:
    """A receipt with its signature, for a file; without a key the signature is null."""
    signature = key.sign(canonical(receipt)) if key else None
    text = json.dumps({"receipt": receipt, "signature": signature}, ensure_ascii=False, indent=1)
    return text.encode("utf-8", "backslashreplace") + b"\n"
