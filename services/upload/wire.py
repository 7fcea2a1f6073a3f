"""What the converter and the orchestrator are told as messages of the contract, and back; nothing else
translates it."""

from __future__ import annotations

from ingestor.internal.v1 import ingestion_pb2
from ingestor.services.upload.uploads import Content
from ingestor.v1 import common_pb2
from ingestor.wire import notice_message, notices_in


def content_message(content: Content) -> ingestion_pb2.FileContent:
    """The message of a content."""
    return ingestion_pb2.FileContent(
        file_key=content.file_key,
        size_bytes=content.size,
        form=common_pb2.CONTENT_FORM_NORMAL if content.normal_form else common_pb2.CONTENT_FORM_DELIMITED,
        dialect_json=content.dialect,
        notices=map(notice_message, content.notices),
    )


def content_in(message: ingestion_pb2.FileContent) -> Content:
    """The content in a message."""
    return Content(
        message.file_key,
        message.size_bytes,
        message.form == common_pb2.CONTENT_FORM_NORMAL,
        message.dialect_json,
        notices_in(message.notices),
    )
