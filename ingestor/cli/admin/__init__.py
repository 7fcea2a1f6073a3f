"""`ingestor admin`: what an administrator of the database does, without a running suite.

Each module registers its commands at the group.
"""

from ingestor.cli.admin import database
from ingestor.cli.admin.group import admin

__all__ = ["database"]

COMMANDS = (admin,)
