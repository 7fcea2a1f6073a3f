"""A receipt holds as it was made, and not when anything of it is changed."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestor.receipts.check import NoReceiptError, check
from ingestor.receipts.document import batches_digest, canonical, outcomes_digest, signed
from ingestor.receipts.keys import ReceiptKey, ReceiptKeyError, key_id, public_key

FILE = b"id\n1\n2\n3\n4\n"
KEY = ReceiptKey.new()


def receipt(**more: Any) -> dict[str, Any]:
    """A receipt of two batches of FILE."""
    batches = [
        {
            "number": number, "first_row": 2 * number - 1, "row_count": 2,
            "byte_start": start, "byte_end": start + 4,
            "sha256": hashlib.sha256(FILE[start : start + 4]).hexdigest(),
            "succeeded": 2, "failed": 0, "skipped": 0, "unprocessed": 0,
        }
        for number, start in ((1, 3), (2, 7))
    ]  # fmt: skip
    made = {
        "version": 1,
        "result": "agrees",
        "process": {
            "id": "p", "file_name": "ä.csv",
            "counts": {"read": 4, "succeeded": 4, "failed": 0, "skipped": 0, "unprocessed": 0},
        },
        "file": {
            "sha256": hashlib.sha256(FILE).hexdigest(), "size_bytes": len(FILE), "batches_are_of_it": True,
        },
        "batches": batches,
        "batches_sha256": batches_digest(batches),
    }  # fmt: skip
    return made | more


def public() -> bytes:
    return public_key(KEY.public_pem)


def test_a_receipt_holds(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(FILE)
    found = check(signed(receipt(), KEY), known=public(), file=file)
    assert not found.wrong
    assert len(found.holds) == 5
    assert found.key_id == KEY.key_id == key_id(public())


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(result="disagrees"),
        lambda r: r["process"].update(file_name="b.csv"),
        lambda r: r["process"]["counts"].update(succeeded=5),
        lambda r: r["batches"].pop(),
        lambda r: r["batches"][1].update(failed=1),
        lambda r: r["file"].update(sha256="0" * 64),
        lambda r: r.update(more=1),
    ],
)
def test_whatever_is_changed_is_found(change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(signed(receipt(), KEY))
    change(document["receipt"])
    assert any(
        "signature does not hold" in sentence for sentence in check(json.dumps(document).encode()).wrong
    )


def test_a_changed_batch_is_found_also_by_its_hash() -> None:
    changed = copy.deepcopy(receipt())
    changed["batches"][0]["succeeded"] = 1
    wrong = check(signed(changed, KEY)).wrong
    assert wrong == [
        "The hash of its batches does not hold.",
        "Its batches do not add up to the counts of the process.",
    ]


def test_who_signs_with_another_key_is_found_by_the_known_key() -> None:
    forged = signed(receipt(result="agrees"), ReceiptKey.new())
    assert not check(forged).wrong
    assert ["The key is not" in sentence for sentence in check(forged, known=public()).wrong] == [True]


def test_another_file_is_found_with_the_rows_that_differ(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(FILE.replace(b"3", b"9"))
    (sentence,) = check(signed(receipt(), KEY), file=file).wrong
    assert sentence.startswith("a.csv is not the file") and "among 3 to 4" in sentence
    (gone,) = check(signed(receipt(file=None), KEY), file=file).wrong
    assert "no hash of the file" in gone


def test_the_form_does_not_matter() -> None:
    document = json.loads(signed(receipt(), KEY))
    ordered = json.dumps(dict(reversed(document["receipt"].items())))
    other = f'{{"signature": {json.dumps(document["signature"])},\n\n "receipt": {ordered}}}'
    assert not check(other.encode()).wrong


def test_an_unsigned_receipt_does_not_hold() -> None:
    assert check(signed(receipt(), None)).wrong == ["It is not signed: the suite had no key for receipts."]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"receipt": {}}', '{"receipt": {"version": 2}}', "[" * 100_000, "\xff"]
)
def test_what_is_no_receipt(text: str) -> None:
    with pytest.raises(NoReceiptError):
        check(text.encode("latin-1"))


@pytest.mark.parametrize(
    "signature", [{}, [], "x", {"algorithm": "RSA"}, {"algorithm": "Ed25519", "public_key": "ä", "value": ""}]
)
def test_a_signature_that_is_none(signature: Any) -> None:
    data = json.dumps({"receipt": receipt(), "signature": signature}).encode()
    assert check(data).wrong == ["Its signature cannot be read."]


def test_keys_are_read_from_pem_and_base64() -> None:
    again = ReceiptKey.parse(KEY.to_pem())
    assert again.key_id == KEY.key_id
    assert public_key(base64.b64encode(public()).decode()) == public()
    for text in ("", "no key", KEY.public_pem):
        with pytest.raises(ReceiptKeyError):
            ReceiptKey.parse(text)
    for text in ("", "AAAA", KEY.to_pem()):
        with pytest.raises(ReceiptKeyError):
            public_key(text)


def test_the_canonical_form_and_the_hash_of_outcomes_are_as_documented() -> None:
    assert canonical({"b": [1, None, True], "a": "ä\n"}) == '{"a":"ä\\n","b":[1,null,true]}'.encode()
    text = "1\tSUCCEEDED\t\n2\tFAILED\ttype-error\n"
    assert (
        outcomes_digest([(1, "SUCCEEDED", ""), (2, "FAILED", "type-error")])
        == hashlib.sha256(text.encode()).hexdigest()
    )
