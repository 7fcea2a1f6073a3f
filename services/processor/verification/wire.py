"""A verification as messages of the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

from ingestor.services.processor.verification.service import News, Result, VerificationService
from ingestor.v1 import processor_pb2

T = TypeVar("T")
MOST_SAMPLE = 100_000  # part of the contract
_SILENCE_SECONDS = 5.0


async def verification_messages(
    service: VerificationService, process_id: str, sample: int
) -> AsyncGenerator[processor_pb2.VerifyProcessResponse, None]:
    """The messages of a verification. It says something also while there is nothing new. Raises what `verify`
    raises."""
    last = processor_pb2.VerifyProcessResponse()
    news = _never_silent(service.verify(process_id, sample), _SILENCE_SECONDS)
    async with aclosing(news) as found:
        async for some in found:
            if some is not None:
                last = processor_pb2.VerifyProcessResponse(rows_verified=some.rows_verified, rows=some.rows)
                yield _message(some)
            else:
                yield last


async def _never_silent(source: AsyncGenerator[T, None], seconds: float) -> AsyncGenerator[T | None, None]:
    """What the source says, and None after so many seconds without a word."""
    async with aclosing(source):
        while True:
            waiting = asyncio.ensure_future(anext(source))
            try:
                while not (await asyncio.wait([waiting], timeout=seconds))[0]:
                    yield None
                yield waiting.result()
            except StopAsyncIteration:
                return
            finally:
                if not waiting.done():
                    waiting.cancel()
                    await asyncio.wait([waiting])


def _message(news: News) -> processor_pb2.VerifyProcessResponse:
    return processor_pb2.VerifyProcessResponse(
        rows_verified=news.rows_verified,
        rows=news.rows,
        disagreements=[
            processor_pb2.Disagreement(row_number=one.row, batch_number=one.batch, message=one.message)
            for one in news.found
        ],
        receipt=news.receipt,
        result=_result(news.result) if news.result else None,
    )


def _result(result: Result) -> processor_pb2.Verification:
    return processor_pb2.Verification(
        agrees=result.agrees,
        rows_verified=result.rows_verified,
        disagreement_count=result.disagreements,
        rows_in_table=result.in_table,
        rows_replaced=result.replaced,
        left_out=result.left_out,
        signed=result.signed,
    )
