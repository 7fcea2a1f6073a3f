"""What one release writes and another one reads while both run: versions of these formats.

While the suite is upgraded, and after a rollback, two releases share the queue and the database. So what is
written says the least version that its reader must know (`reader_version`). It is that of its newest field in
use: a message that uses nothing new goes on being read by an older release. A reader that knows less leaves
the message to a newer one; it never guesses.

A field that a reader must not miss gets the next version here. One that an older reader may ignore gets 1,
which every reader knows. A field, an enum value and a key of a document never change their meaning: what
means something else is a new one. Documents of pipelines need no versions of their own, since their reader
refuses every key and value that it does not know (`read_stored` in ingestor.pipeline_documents).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import Message

from ingestor.runtime.errors import UnavailableError

NEWER_RELEASE = "NEWER_RELEASE"


class NewerReleaseError(UnavailableError):
    """A newer release of the suite has written this; whoever runs that release can read it."""

    def __init__(self, message: str) -> None:
        super().__init__(NEWER_RELEASE, message)


@dataclass(frozen=True)
class Format:
    """A format: `since` has the fields of its messages, as Message.field, and from which version on a reader
    knows them."""

    name: str
    since: Mapping[str, int]

    @property
    def version(self) -> int:
        """The newest version, which this release reads."""
        return max(self.since.values())

    def needed(self, message: Message) -> int:
        """The least version whose readers understand the message. Raises KeyError for a field without a
        version."""
        least = 1
        for field, value in message.ListFields():
            least = max(least, self.since[f"{message.DESCRIPTOR.name}.{field.name}"])
            if field.message_type is not None:
                for part in value if field.is_repeated else (value,):
                    least = max(least, self.needed(part))
        return least

    def check(self, needed: int) -> None:
        """Raise NewerReleaseError unless this release reads what needs this version."""
        if needed > self.version:
            raise NewerReleaseError(
                f"the {self.name} needs a reader of version {needed}, this release has version {self.version}"
            )


def _since(version: int, message: str, fields: str) -> dict[str, int]:
    return {f"{message}.{field}": version for field in fields.split()}


_RANGE = _since(1, "BatchRange", "batch_number first_row row_count first_line byte_start byte_end")

# Messages of the rows queue.
BATCHES = Format(
    "batch",
    {
        **_since(
            1,
            "RowBatch",
            "process_id tenant range columns pipeline pipeline_version data stored delimiter quote "
            "normal_form repairs drop_empty_cells quoted_is_text reader_version",
        ),
        **_since(2, "RowBatch", "typed_cells"),
        **_since(1, "RepairedRows", "process_id columns rows first_row"),
        **_since(1, "FileSlice", "file_key byte_start byte_end"),
        **_RANGE,
    },
)

# Outcomes of batches, as the processor reports them. Their header speaks for what follows it.
OUTCOMES = Format(
    "outcome",
    {
        **_since(
            1,
            "OutcomeHeader",
            "process_id tenant batch default_state succeeded failed skipped error repairs_process_id "
            "repaired_rows notices reader_version lines",
        ),
        **_since(1, "RowLines", "shifts"),  # a reader that knows none shows no line
        **_since(1, "LineShift", "position lines"),
        **_since(1, "RowError", "code field value message phase"),
        **_since(1, "Notice", "code message rows row_numbers"),
        **_RANGE,
        **_since(1, "RejectedRow", "row_number line_number state errors cells error_labels"),
        **_since(2, "RejectedRun", "first row_count line_numbers rest rest_size"),
    },
)
