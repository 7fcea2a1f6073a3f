"""Who calls, in which tenant, and what it may do."""
