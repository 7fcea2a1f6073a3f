"""What a page does: gRPC-web over HTTP/1.1, and files sent piece by piece."""

from __future__ import annotations

import http.client
import struct
from typing import TypeVar

import google_crc32c
from google.protobuf.message import Message

from ingestor.v1 import upload_pb2

M = TypeVar("M", bound=Message)


def chunk(data: bytes, offset: int, size: int) -> upload_pb2.FileChunk:
    """The piece [offset, offset + size) of a file."""
    piece = data[offset : offset + size]
    return upload_pb2.FileChunk(offset=offset, data=piece, crc32c=google_crc32c.value(piece))


class Browser:
    """A gRPC-web client over HTTP/1.1, like the page's: unary calls and server streams."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def call(self, method: str, request: Message, answer: type[M]) -> tuple[list[M], dict[str, str]]:
        """Return the messages and the trailers of a call."""
        payload = request.SerializeToString()
        self._connection.request(
            "POST",
            f"/ingestor.v1.{method}",
            struct.pack(">BI", 0, len(payload)) + payload,
            {
                "content-type": "application/grpc-web+proto",
                "x-grpc-web": "1",
                "origin": f"http://{self._connection.host}:{self._connection.port}",
            },
        )
        response = self._connection.getresponse()
        assert response.status == 200
        assert response.getheader("access-control-allow-origin") is None, "it is the page's own origin"
        body, messages, trailers = response.read(), [], dict[str, str]()
        if response.getheader("grpc-status"):
            trailers = {name: value for name, value in response.getheaders() if name.startswith("grpc-")}
        while body:
            kind, length = struct.unpack(">BI", body[:5])
            frame, body = body[5 : 5 + length], body[5 + length :]
            if kind & 0x80:
                pairs = (line.split(":", 1) for line in frame.decode().strip().split("\r\n"))
                trailers = {key.strip(): value.strip() for key, value in pairs}
            else:
                messages.append(answer.FromString(frame))
        return messages, trailers

    def unary(self, method: str, request: Message, answer: type[M]) -> M:
        """Return the message of a unary call, which must succeed."""
        messages, trailers = self.call(method, request, answer)
        assert trailers.get("grpc-status") == "0", trailers
        return messages[0]

    def upload(self, name: str, data: bytes, size: int | None = None) -> str:
        """Upload the first bytes of a file of `size` bytes (None: the whole file); return the upload's id."""
        request = upload_pb2.CreateUploadRequest(
            file_name=name, size_bytes=len(data) if size is None else size
        )
        upload = self.unary("UploadService/CreateUpload", request, upload_pb2.CreateUploadResponse).upload
        for offset in range(0, len(data), upload.max_chunk_size):
            write = upload_pb2.WriteChunkRequest(
                upload_id=upload.upload_id, chunk=chunk(data, offset, upload.max_chunk_size)
            )
            self.unary("UploadService/WriteChunk", write, upload_pb2.WriteChunkResponse)
        return upload.upload_id
