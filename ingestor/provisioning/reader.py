"""A role for people who look at the data of a suite on one machine."""

from __future__ import annotations

import asyncpg

from ingestor.provisioning.database import with_login

READER = "ingestor_reader"
_MAKE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role}; END IF;
END $$;
ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 20;
ALTER ROLE {role} SET default_transaction_read_only = on;
ALTER ROLE {role} SET statement_timeout = '5min';
GRANT pg_read_all_data TO {role};
"""


async def make_reader(admin_dsn: str, password: str) -> str:
    """Make the role, with this password; its DSN. It may read every table, of the suite's own only the rows
    that row-level security shows, and write none. Idempotent. Raises OSError or asyncpg errors."""
    connection = await asyncpg.connect(admin_dsn)
    try:
        await connection.execute(_MAKE.format(role=READER))
        # Only a utility statement takes a password, and those take no parameters.
        quoted = await connection.fetchval("SELECT quote_literal($1::text)", password)
        await connection.execute(f"ALTER ROLE {READER} PASSWORD {quoted}")
    finally:
        await connection.close()
    return with_login(admin_dsn, READER, password)
