"""Verify processes, and check receipts: verify, receipt."""

from __future__ import annotations

from ingestor.cli.receipts.receipt import receipt
from ingestor.cli.receipts.verify import verify

COMMANDS = [verify, receipt]
