"""PostgreSQL: pools of connections, migrations, and which errors are transient."""
