"""MiniStack's messages are searched and written as MiniStack does it, in less time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import sqs  # type: ignore[import-untyped]

from ingestor.local.aws import large_bodies

BODIES = st.one_of(
    st.text(), st.text(alphabet='aZ+/= "\\\t\n\r\x00\x0b\x1f\x7f\x80é\ud800\ufffe', max_size=8)
)


@given(BODIES)
def test_the_same_characters_are_refused(body: str) -> None:
    found = large_bodies.Refused(sqs._INVALID_SQS_CHARS_RE).search(body)
    assert bool(found) == bool(sqs._INVALID_SQS_CHARS_RE.search(body))


@given(st.lists(BODIES.filter(lambda body: not sqs._INVALID_SQS_CHARS_RE.search(body)), max_size=4))
def test_an_answer_is_the_same_json(bodies: list[str]) -> None:
    data = {"Messages": [{"MessageId": str(place), "Body": body} for place, body in enumerate(bodies)]}
    status, headers, written = large_bodies.json_answer(data, 201)
    expected = sqs._json_ok(data, 201)
    assert (status, headers, json.loads(written)) == (*expected[:2], json.loads(expected[2]))


@pytest.mark.parametrize("data", [{}, {"QueueUrl": "x"}, {"Messages": [{"MessageId": "1"}]}])
def test_answers_without_bodies(data: dict[str, object]) -> None:
    assert json.loads(large_bodies.json_answer(data)[2]) == data


def test_ministack_uses_both(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_INVALID_SQS_CHARS_RE", "_json_ok"):
        monkeypatch.setattr(sqs, name, getattr(sqs, name))
    large_bodies.spare(sqs)
    names = sqs._act_send_message.__code__.co_names + sqs._handle_json.__code__.co_names
    assert isinstance(sqs._INVALID_SQS_CHARS_RE, large_bodies.Refused)
    assert sqs._json_ok is large_bodies.json_answer
    assert {"_INVALID_SQS_CHARS_RE", "_json_ok"} <= set(names)
