-- The tables that a tenant's role owns; where tenants have no roles, those of the role that asks. Partitions and
-- the suite's own tables do not count.
CREATE FUNCTION tables_of(wanted text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('access', 'upload', 'orchestrator', 'processor', 'status')
    AND c.relowner = coalesce(to_regrole(quote_ident(
        CASE wanted WHEN 'default' THEN 'ingestor_processor' ELSE 'ingestor_tenant_' || wanted END)), current_user::regrole)
$$;

-- What a tenant uses of its quotas, as this service counts it.
CREATE FUNCTION access.usage_of_processor(wanted text) RETURNS TABLE (name text, used bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = processor, pg_temp AS $$
    VALUES ('tables', tables_of(wanted))
$$;
REVOKE EXECUTE ON FUNCTION access.usage_of_processor FROM PUBLIC;

-- How many tables a tenant has and may have (null: no limit), for its own role. Until the transaction ends, no other
-- one of the tenant takes a place.
CREATE FUNCTION tables_left(wanted text) RETURNS TABLE (used bigint, most bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = processor, pg_temp AS $$
BEGIN
    SELECT q.max_value INTO most FROM access.quotas q WHERE q.tenant = wanted AND q.name = 'tables';
    IF most IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('ingestor:quota:' || wanted || ':tables', 0));
        used := tables_of(wanted);
    END IF;
    RETURN NEXT;
END
$$;
