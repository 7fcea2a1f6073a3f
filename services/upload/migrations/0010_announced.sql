-- Open uploads are counted at each new one, without reading those that are complete.
CREATE INDEX uploads_open_of_tenant ON uploads (tenant) INCLUDE (declared_size, committed_size)
    WHERE state = 'open';

-- What open uploads have announced and not sent.
CREATE FUNCTION announced_bytes(wanted text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = upload, pg_temp AS $$
    SELECT coalesce(sum(greatest(declared_size - committed_size, 0)), 0)::bigint
    FROM uploads WHERE tenant = wanted AND state = 'open'
$$;

CREATE OR REPLACE FUNCTION access.usage_of_upload(wanted text) RETURNS TABLE (name text, used bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = upload, pg_temp AS $$
    VALUES ('bytes_stored', stored_bytes(wanted)), ('open_uploads', open_uploads(wanted)),
           ('bytes_announced', announced_bytes(wanted)), ('running_processes', running_processes(wanted))
$$;
