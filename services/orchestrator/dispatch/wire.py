"""Batches as messages of the internal contract."""

from __future__ import annotations

from dataclasses import replace

from ingestor.formats import BATCHES
from ingestor.internal.v1 import queue_pb2
from ingestor.runtime.protobuf.large_fields import with_large
from ingestor.services.orchestrator.ingestions import Batch
from ingestor.services.orchestrator.ports import Message
from ingestor.tabular.options import parse_options
from ingestor.v1 import common_pb2


def bounds_of(batch: Batch) -> dict[str, int]:
    """The boundaries of a batch, by the names of the contract."""
    return {
        "batch_number": batch.number,
        "first_row": batch.first_row,
        "row_count": batch.row_count,
        "first_line": batch.first_line,
        "byte_start": batch.byte_start,
        "byte_end": batch.byte_end,
    }


def serialized(message: Message) -> bytes:
    """The message of a batch as bytes."""
    if not message.data:
        return batch_message(message).SerializeToString()
    return b"".join(with_large(batch_message(replace(message, data=b"")), "data", message.data))


def batch_message(message: Message) -> queue_pb2.RowBatch:
    """The message of a batch, with its bytes or, without them, with their place in the stored file."""
    file, batch = message.file, message.batch
    # Only delimited text, whose dialect is one of ours, has these options.
    options = parse_options(message.content.dialect)
    row_batch = queue_pb2.RowBatch(
        process_id=file.process_id,
        tenant=file.tenant,
        range=common_pb2.BatchRange(**bounds_of(batch)),
        columns=message.layout.columns,
        pipeline=file.pipeline,
        pipeline_version=file.pipeline_version,
        delimiter=message.layout.delimiter,
        quote=message.layout.quote,
        normal_form=message.content.normal_form,
        drop_empty_cells=options.extra_empty_cells == "drop",
        quoted_is_text=options.empty_quoted == "text",
        typed_cells=bool(file.pipeline) and message.typed_cells,
    )
    if file.repairs:
        retried = batch.retried
        row_batch.repairs.CopyFrom(
            queue_pb2.RepairedRows(
                process_id=file.repairs,
                columns=message.repaired,
                rows=retried.rows if retried else (),
                first_row=retried.first_row if retried else 0,
            )
        )
    if message.data is None:
        row_batch.stored.CopyFrom(
            queue_pb2.FileSlice(
                file_key=message.content.file_key, byte_start=batch.byte_start, byte_end=batch.byte_end
            )
        )
    else:
        row_batch.data = message.data
    row_batch.reader_version = BATCHES.needed(row_batch)
    return row_batch
