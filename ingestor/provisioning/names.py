"""Names of roles and schemas in PostgreSQL."""

from __future__ import annotations

from ingestor.access.scope import DEFAULT_TENANT

SERVICES = ("upload", "orchestrator", "processor", "status")
ACCESS = "access"  # the schema of tenants, keys, members, quotas and the audit log
OWNER = "ingestor_owner"  # owns the schemas above and all in them; nobody logs in as it
TENANTS = "ingestor_tenants"  # the group of the tenants' roles


# As which the rows of the tenant `default` are loaded. It had this name before there were tenants, and
# people have granted their tables to it.
DEFAULT_ROLE = "ingestor_processor"


def role_of(service: str) -> str:
    """The role as which a service logs in."""
    return "ingestor_processor_service" if service == "processor" else f"ingestor_{service}"


def migrations_of(schema: str) -> str:
    """The package with the migrations of a schema."""
    return "ingestor.access.migrations" if schema == ACCESS else f"ingestor.services.{schema}.migrations"


def tenant_role(tenant: str) -> str:
    """The role as which a tenant's rows are loaded."""
    return DEFAULT_ROLE if tenant == DEFAULT_TENANT else f"ingestor_tenant_{tenant}"


def is_tenant_role(role: str) -> str:
    """An SQL condition: a role, given by its oid, is that of a tenant."""
    name = f"pg_get_userbyid({role})"
    return f"({name} = '{DEFAULT_ROLE}' OR starts_with({name}, '{tenant_role('')}'))"


def tenant_schema(tenant: str) -> str:
    """The schema of a tenant's tables."""
    return "public" if tenant == DEFAULT_TENANT else f"tenant_{tenant}"
