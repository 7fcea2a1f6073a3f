"""Who calls, and who may do what: login, logout, whoami, keys, members, quotas, audit."""

from ingestor.cli.access.audit import audit
from ingestor.cli.access.keys import keys
from ingestor.cli.access.login import login, logout, whoami
from ingestor.cli.access.members import members
from ingestor.cli.access.quotas import quotas

COMMANDS = (login, logout, whoami, keys, members, quotas, audit)
