"""A real PostgreSQL for tests: in a container where a Docker engine answers, else from the wheel."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingestor.local.postgres import EmbeddedPostgres

IMAGE = "postgres:18"
# For databases that live as long as one test: nothing has to survive a crash of the machine, and many of them
# fit into memory at once.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "256MB",
    "jit": "off",
}


@contextmanager
def postgres_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """A superuser's DSN of a server that lasts as long as the context. `settings` are PostgreSQL's."""
    chosen = dict(settings or {})
    if docker_has_image():
        with _container(chosen) as dsn:
            yield dsn
        return
    server = EmbeddedPostgres(folder, settings=chosen)
    server.start()
    server.wait()
    try:
        yield server.dsn
    finally:
        server.stop()


def docker_has_image() -> bool:
    """Whether a Docker engine answers and has the image, or can get it."""
    import docker  # type: ignore[import-untyped]
    from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]

    try:
        client: Any = docker.from_env()
    except DockerException:
        return False  # no engine
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        try:
            client.images.pull(IMAGE)
        except DockerException as error:
            warnings.warn(f"no {IMAGE}, the wheel's PostgreSQL is used: {error}", UserWarning, stacklevel=2)
            return False
    finally:
        client.close()
    return True


@contextmanager
def _container(settings: Mapping[str, str]) -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True  # one more image; the context removes the container
    container = PostgresContainer(IMAGE, driver=None)
    if settings:
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        container = container.with_command(f"postgres {options}")
    with container:
        yield container.get_connection_url()
