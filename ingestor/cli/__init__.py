"""The command line `ingestor`."""

import os

# `ingestor up` starts programs beside channels of its own: what gRPC does after a fork may abort those.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
