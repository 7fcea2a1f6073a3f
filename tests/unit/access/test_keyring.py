"""Signatures by keys that services share."""

from __future__ import annotations

import pytest

from ingestor.access.keyring import KeyRing

OLD, NEW = "old:" + "o" * 32, "new:" + "n" * 32


def test_a_signature_is_for_its_parts_and_purpose() -> None:
    keys = KeyRing.parse(OLD)
    signature = keys.sign("queue", b"ab", b"c")
    assert keys.verify("queue", signature, b"ab", b"c")
    assert not keys.verify("queue", signature, b"a", b"bc")
    assert not keys.verify("queue", signature, b"ab", b"c", b"")
    assert not keys.verify("calls", signature, b"ab", b"c")
    name, _, digest = signature.partition(":")
    for wrong in (
        "",
        ":",
        digest,
        f"x:{digest}",
        f"{name}:",
        f"{name}:{digest[:-1]}",
        f"{name}:{digest}0",
        "ä:ö",
    ):
        assert not keys.verify("queue", wrong, b"ab", b"c"), wrong


def test_rotation() -> None:
    before, between, during, after = map(KeyRing.parse, (OLD, f"{OLD},{NEW}", f"{NEW}, {OLD}", NEW))
    old, new = before.sign("queue", b"x"), during.sign("queue", b"x")
    assert between.sign("queue", b"x") == old
    assert between.verify("queue", new, b"x") and during.verify("queue", old, b"x")
    assert not before.verify("queue", new, b"x") and not after.verify("queue", old, b"x")


def test_other_secrets_under_the_same_name_verify_nothing() -> None:
    signature = KeyRing.parse(OLD).sign("queue", b"x")
    assert not KeyRing.parse("old:" + "x" * 32).verify("queue", signature, b"x")


@pytest.mark.parametrize("text", ["", "secret", ":secret", "id:", "a:one,a:two", "a:one,"])
def test_what_is_no_key_ring(text: str) -> None:
    with pytest.raises(ValueError, match="must be id:secret") as caught:
        KeyRing.parse(text)
    assert "secret" not in str(caught.value).replace("id:secret", "") and "two" not in str(caught.value)


def test_a_ring_needs_a_key() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        KeyRing({})
