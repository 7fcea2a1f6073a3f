-- The log of one tenant among many.
CREATE INDEX events_tenant_position ON events (tenant, position);
