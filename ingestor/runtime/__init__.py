"""How a service runs: settings, logs, metrics, tracing, gRPC, PostgreSQL, AWS, errors. No domain code."""
