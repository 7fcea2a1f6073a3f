"""What an administrator of the database does before the services start: roles, schemas, tables, tenants."""
