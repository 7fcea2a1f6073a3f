"""Builds the converter's objects; no other module does."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from ingestor.access.build import build_internal_guard
from ingestor.internal.v1 import converter_pb2_grpc
from ingestor.runtime.aws.requests import AwsRequests
from ingestor.runtime.host import Service
from ingestor.services.upload.adapters.file_metrics import ProgramMetrics, observe_disks
from ingestor.services.upload.adapters.programs import StandBy
from ingestor.services.upload.adapters.scratch import Scratch
from ingestor.services.upload.adapters.subprocess_converter import SubprocessConverter, converter_limits
from ingestor.services.upload.converter.api import ConverterApi
from ingestor.services.upload.converter.conversions import Conversions
from ingestor.services.upload.converter.settings import ConverterSettings
from ingestor.stores.open import for_work, open_store


@asynccontextmanager
async def bootstrap(settings: ConverterSettings, registry: CollectorRegistry) -> AsyncIterator[Service]:
    """Build everything, and close it all at the end."""
    async with open_store(settings, AwsRequests(registry).observe) as store, StandBy() as programs:
        scratch = Path(settings.scratch_dir) if settings.scratch_dir else None
        observe_disks({"scratch": scratch or Path(tempfile.gettempdir())}, registry)
        temporary = Scratch(scratch, settings.disk_reserve_bytes)
        await asyncio.to_thread(temporary.remove_left)
        converter = SubprocessConverter(
            for_work(store),
            temporary,
            ProgramMetrics(registry),
            converter_limits(settings),
            programs.running,
        )
        conversions = Conversions(converter, drain_seconds=settings.drain_seconds)
        yield Service(
            register=lambda server: converter_pb2_grpc.add_ConverterServiceServicer_to_server(
                ConverterApi(conversions, converter), server
            ),
            grpc_services=("ingestor.internal.v1.ConverterService",),
            checks={"file store": store.check},
            workers=(conversions,),
            interceptors=(build_internal_guard(settings, registry),),
        )
