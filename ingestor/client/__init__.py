"""The suite from Python: `async with Client("127.0.0.1:8080") as client: ...`."""

from ingestor.client.client import Client, Connection
from ingestor.client.upload import UploadProgress

__all__ = ["Client", "Connection", "UploadProgress"]
