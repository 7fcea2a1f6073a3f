"""The suite on one machine: starts and supervises PostgreSQL, MiniStack, Envoy and the services."""
