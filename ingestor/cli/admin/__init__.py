"""`ingestor admin`: what an administrator of the database does, without a running suite.

Each module registers its commands at the group.
"""

from ingestor.cli.admin import database, tenants
from ingestor.cli.admin.group import admin

__all__ = ["database", "tenants"]

COMMANDS = (admin,)
