"""`ingestor admin`: what the administrator of a suite does, without a running suite.

Each module registers its commands at the group.
"""

from ingestor.cli.admin import check, database, queues, tenants
from ingestor.cli.admin.group import admin

__all__ = ["check", "database", "queues", "tenants"]

COMMANDS = (admin,)
