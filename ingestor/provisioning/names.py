"""Names of roles and schemas in PostgreSQL."""

from __future__ import annotations

from ingestor.access.scope import DEFAULT_TENANT

SERVICES = ("upload", "orchestrator", "processor", "status")
ACCESS = "access"  # the schema of tenants, keys, members, quotas and the audit log
OWNER = "ingestor_owner"  # owns the schemas above and all in them; nobody logs in as it
TENANTS = "ingestor_tenants"  # the group of the tenants' roles


def role_of(service: str) -> str:
    """The role of a service."""
    return f"ingestor_{service}"


def migrations_of(schema: str) -> str:
    """The package with the migrations of a schema."""
    return "ingestor.access.migrations" if schema == ACCESS else f"ingestor.services.{schema}.migrations"


def tenant_role(tenant: str) -> str:
    """The role as which a tenant's rows are loaded."""
    return f"ingestor_tenant_{tenant}"


def tenant_schema(tenant: str) -> str:
    """The schema of a tenant's tables."""
    return "public" if tenant == DEFAULT_TENANT else f"tenant_{tenant}"
