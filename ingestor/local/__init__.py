"""The suite on one machine: starts and supervises PostgreSQL, MiniStack, Envoy and the services."""

import os

# The programs that it starts are forks at first, in which what gRPC does after a fork may abort them.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
