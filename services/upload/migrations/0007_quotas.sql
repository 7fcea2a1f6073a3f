-- What a tenant uses of its quotas, as this service counts it.
CREATE INDEX uploads_stored ON uploads (tenant) INCLUDE (state, declared_size, committed_size)
    WHERE state <> 'aborted';
CREATE INDEX deliveries_converted ON deliveries (tenant) INCLUDE (content_bytes)
    WHERE content_key LIKE '%-text';

-- Files with their declared sizes as long as they are open, and conversions.
CREATE FUNCTION stored_bytes(wanted text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = upload, pg_temp AS $$
    SELECT (coalesce(sum(CASE state WHEN 'open' THEN greatest(declared_size, committed_size)
                         ELSE committed_size END), 0)
            + (SELECT coalesce(sum(content_bytes), 0) FROM deliveries
               WHERE tenant = wanted AND content_key LIKE '%-text'))::bigint
    FROM uploads WHERE tenant = wanted AND state <> 'aborted'
$$;

CREATE FUNCTION open_uploads(wanted text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = upload, pg_temp AS $$
    SELECT count(*) FROM uploads WHERE tenant = wanted AND state = 'open'
$$;

-- Processes that have not ended, and those that status does not know yet.
CREATE FUNCTION running_processes(wanted text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = upload, pg_temp AS $$
BEGIN
    RETURN (SELECT count(*) FROM (
        SELECT process_id FROM deliveries WHERE tenant = wanted AND done_at IS NULL
        UNION SELECT * FROM access.running_processes(wanted)
    ) running);
END
$$;

CREATE FUNCTION access.usage_of_upload(wanted text) RETURNS TABLE (name text, used bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = upload, pg_temp AS $$
    VALUES ('bytes_stored', stored_bytes(wanted)), ('open_uploads', open_uploads(wanted)),
           ('running_processes', running_processes(wanted))
$$;
REVOKE EXECUTE ON FUNCTION access.usage_of_upload FROM PUBLIC;
