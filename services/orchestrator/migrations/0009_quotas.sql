-- When an ingestion goes on by itself that a quota has paused.
ALTER TABLE ingestions ADD COLUMN paused_until timestamptz;

-- What a tenant uses of its quotas, as this service counts it.
CREATE FUNCTION access.usage_of_orchestrator(wanted text) RETURNS TABLE (name text, used bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = orchestrator, pg_temp AS $$
    SELECT 'pipelines', count(DISTINCT p.name) FROM pipelines p WHERE p.tenant = wanted
    AND NOT EXISTS (SELECT FROM deleted_pipelines d WHERE d.tenant = p.tenant AND d.name = p.name)
$$;
REVOKE EXECUTE ON FUNCTION access.usage_of_orchestrator FROM PUBLIC;
