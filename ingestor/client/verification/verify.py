"""Verifying a process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as attribute
from pathlib import Path

import grpc

from ingestor.client.errors import DeadlineExceededError, UnauthenticatedError, from_rpc
from ingestor.client.gateway import Gateway
from ingestor.client.reports import complete_or_absent
from ingestor.client.sources import File
from ingestor.v1 import processor_pb2

# Called with the rows verified so far and all that are to be.
OnVerified = Callable[[int, int], None]
_MOST_CUT = 3  # times that a verification is begun anew


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What file, ledger and table do not agree on. `row` and `batch` are 0 where it is about none of them."""

    row: int
    batch: int
    message: str
    raw: processor_pb2.Disagreement = attribute(repr=False, compare=False)

    @classmethod
    def of(cls, raw: processor_pb2.Disagreement) -> Disagreement:
        """From the message."""
        return cls(raw.row_number, raw.batch_number, raw.message, raw)


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a verification. `disagreements` are the first 1000 of `disagreement_count`; `left_out` says
    what was not compared, and why; `receipt` is the file to keep."""

    agrees: bool
    rows_verified: int
    rows_in_table: int
    rows_replaced: int
    disagreement_count: int
    disagreements: tuple[Disagreement, ...]
    left_out: tuple[str, ...]
    signed: bool
    receipt: bytes = attribute(repr=False)
    raw: processor_pb2.Verification = attribute(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public key of receipts, in PEM, and its name in receipts."""

    pem: str
    key_id: str


async def verify(
    gateway: Gateway, process_id: str, sample: int, progress: OnVerified | None, timeout: float | None
) -> Verification:
    """See AsyncProcess.verify."""
    request = processor_pb2.VerifyProcessRequest(process_id=process_id, sample_rows=sample)
    pauses = gateway.pauses()
    cut = 0
    while True:
        found: list[Disagreement] = []
        receipt = bytearray()
        begun, result = False, processor_pb2.Verification()
        try:
            async for answer in gateway.processor.VerifyProcess(request, timeout=timeout):
                begun = True
                pauses.progress()
                found += map(Disagreement.of, answer.disagreements)
                receipt += answer.receipt
                result = answer.result
                if progress:
                    progress(answer.rows_verified, answer.rows)
            return Verification(
                result.agrees,
                result.rows_verified,
                result.rows_in_table,
                result.rows_replaced,
                result.disagreement_count,
                tuple(found),
                tuple(result.left_out),
                result.signed,
                bytes(receipt),
                result,
            )
        except grpc.aio.AioRpcError as error:
            known = from_rpc(error)
            if known.code == DeadlineExceededError.code:
                raise DeadlineExceededError(f"the verification did not end within {timeout:g} s") from error
            cut += begun
            if cut > _MOST_CUT or (begun and isinstance(known, UnauthenticatedError)):
                raise known from error
            if not await gateway.again(known, pauses):
                raise known from error


def save(verification: Verification, target: File) -> None:
    """Write the receipt to a path, where it appears complete or not at all, or to a binary file."""
    if not isinstance(target, str | os.PathLike):
        target.write(verification.receipt)
        return
    with complete_or_absent(Path(target)) as file:
        file.write(verification.receipt)


async def receipt_key(gateway: Gateway, timeout: float | None) -> PublicKey:
    """See AsyncClient.receipt_key."""
    request = processor_pb2.GetReceiptKeyRequest()
    answer = await gateway.call(gateway.processor.GetReceiptKey, request, timeout)
    return PublicKey(answer.public_key_pem, answer.key_id)
