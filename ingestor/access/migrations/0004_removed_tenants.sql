-- Nothing brings a removed tenant back. What was still on its way when it was removed (a batch in work, an outcome,
-- a delivery) inserts no row any more. The first row of a transaction takes a lock on the tenant, shared with other
-- transactions; the removal, which has set `removed_at` before, takes it alone, and so waits for those that
-- came before.
--
-- With the argument `quietly` the row is left out without an error: of tables into which one transaction writes for
-- many tenants.
CREATE FUNCTION refuse_removed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = access, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('ingestor:tenant:' || NEW.tenant, 0));
    IF EXISTS (SELECT FROM tenants WHERE name = NEW.tenant AND removed_at IS NOT NULL) THEN
        IF TG_NARGS > 0 THEN
            RETURN NULL;
        END IF;
        RAISE EXCEPTION 'the tenant % was removed', NEW.tenant USING ERRCODE = 'IG001';
    END IF;
    PERFORM set_config('ingestor.entered_tenant', NEW.tenant, true);  -- once per transaction is enough
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION refuse_removed() FROM PUBLIC;

CREATE FUNCTION refuse_rows_of_removed_tenants(guarded regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    quietly text := CASE WHEN (SELECT relname FROM pg_class WHERE oid = guarded)
                              IN ('removal_inbox', 'removals', 'events') THEN '''quietly''' ELSE '' END;
BEGIN
    EXECUTE format(
        'CREATE TRIGGER refuse_removed BEFORE INSERT ON %s FOR EACH ROW '
        'WHEN (current_setting(''ingestor.entered_tenant'', true) IS DISTINCT FROM NEW.tenant) '
        'EXECUTE FUNCTION access.refuse_removed(%s)',
        guarded, quietly
    );
END
$$;

-- As before; and every table with a tenant takes no row of a removed one.
CREATE OR REPLACE FUNCTION isolate(isolated regclass, tenant_column name DEFAULT 'tenant') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', isolated);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', isolated);
    EXECUTE format(
        'CREATE POLICY tenant ON %s USING '
        '((SELECT current_setting(''ingestor.tenant'', true)) IN (%I, ''*''))',
        isolated, tenant_column
    );
    PERFORM access.refuse_rows_of_removed_tenants(isolated);
END
$$;

-- The tables that are there already. The audit log keeps what was done to a tenant, and by it.
SELECT refuse_rows_of_removed_tenants(c.oid::regclass)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
WHERE c.relforcerowsecurity AND c.oid <> 'audit_log'::regclass
AND c.relnamespace IN (SELECT oid FROM pg_namespace
                       WHERE nspname IN ('access', 'upload', 'orchestrator', 'processor', 'status'));
REVOKE EXECUTE ON FUNCTION refuse_rows_of_removed_tenants(regclass), isolate(regclass, name) FROM PUBLIC;
