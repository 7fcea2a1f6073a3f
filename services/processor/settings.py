"""Settings of the processor."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from ingestor.access.settings import AccessSettings
from ingestor.provisioning.table_schemas import TableSchemaSettings
from ingestor.receipts.keys import ReceiptKey, ReceiptKeyError
from ingestor.runtime.aws.queues import QueueNames
from ingestor.runtime.settings import (
    CheckSettings,
    FileStoreSettings,
    QueueSettings,
    RemovalSettings,
    ServiceSettings,
)


class ProcessorSettings(
    ServiceSettings,
    AccessSettings,
    QueueSettings,
    QueueNames,
    FileStoreSettings,
    RemovalSettings,
    CheckSettings,
    TableSchemaSettings,
):
    """Environment variables INGESTOR_<FIELD>."""

    processor_role: Literal["all", "worker", "api"] = Field(
        "all",
        description="worker: batches and dead letters, no calls; api: calls, undos and removals, no batches; "
        "all: both in one process.",
    )
    status_address: str = Field("status:50051", description="host:port of the status service.")
    orchestrator_address: str = Field(
        "orchestrator:50051", description="host:port of the orchestrator (pipelines)."
    )
    concurrency: int = Field(2, ge=1, le=32, description="Batches in work at once.")
    visibility_seconds: int = Field(
        12,
        ge=3,
        le=43_200,
        description="How long a received message stays hidden; extended while in work. A killed processor's "
        "batches go on after it.",
    )
    dry_runs: int = Field(
        4,
        ge=1,
        le=32,
        description="Dry runs into tables at once; each has a connection to PostgreSQL. One tenant has at "
        "most half of them.",
    )
    dry_run_idle_seconds: float = Field(
        30, ge=1, le=3600, description="Seconds that a dry run waits for more of its file before it ends."
    )
    verifications: int = Field(
        2,
        ge=1,
        le=32,
        description="Processes verified at once; each has a connection to PostgreSQL. The last place is for "
        "a tenant that has none.",
    )
    receipt_key: SecretStr = Field(
        SecretStr(""),
        description="Key that signs receipts: Ed25519 in PEM (`openssl genpkey -algorithm ed25519`). The "
        "same for all instances; empty: receipts are not signed.",
    )
    dry_run_seconds: float = Field(900, ge=1, le=86_400, description="Most seconds of one dry run.")

    @model_validator(mode="after")
    def _signs(self) -> Self:
        try:
            self.signing_key()
        except ReceiptKeyError as error:
            raise ValueError(f"INGESTOR_RECEIPT_KEY: {error}") from None
        return self

    def signing_key(self) -> ReceiptKey | None:
        """The key of receipts; None without one. Raises ReceiptKeyError."""
        text = self.receipt_key.get_secret_value()
        return ReceiptKey.parse(text) if text else None

    @property
    def sessions(self) -> int:
        """Connections with a session of their own."""
        return self.dry_runs + self.verifications if self.serves else 0

    @property
    def works(self) -> bool:
        """Whether this process takes batches."""
        return self.processor_role != "api"

    @property
    def serves(self) -> bool:
        """Whether this process answers calls, and does what follows from them: undos, removals."""
        return self.processor_role != "worker"

    @property
    def connections(self) -> int:
        """Most connections to PostgreSQL: at least what the role's own work may hold at the same time."""
        # A batch holds one, so does a dead letter; a dry run holds one as long as its client sends, a
        # verification until its end. Health, access and reports use the others.
        held = (self.concurrency + 1 if self.works else 0) + self.sessions
        return max(self.database_pool_size, held + 2)
