"""The suite on one machine: embedded PostgreSQL, MiniStack, Envoy, and what starts and watches them."""
