"""Who the caller is, and what an admin manages of a tenant: keys, members, quotas, the audit log."""
