-- For the quota of running processes, which the upload service holds.
CREATE FUNCTION access.running_processes(wanted text) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = status, pg_temp AS $$
    SELECT process_id FROM processes WHERE tenant = wanted AND ended_at IS NULL
$$;
REVOKE EXECUTE ON FUNCTION access.running_processes FROM PUBLIC;
