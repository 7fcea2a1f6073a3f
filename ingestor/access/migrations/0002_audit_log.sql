-- Filters of the audit log, and its end in pieces.
CREATE INDEX audit_log_subject ON audit_log (tenant, subject, sequence DESC);
CREATE INDEX audit_log_object ON audit_log (tenant, object, sequence DESC);

DROP FUNCTION expire_audit(timestamptz);

-- Deletes at most so many audit records from before a time, at least 30 days back; returns how many.
CREATE FUNCTION expire_audit(before timestamptz, most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = access, pg_temp AS $$
    WITH gone AS (
        DELETE FROM audit_log WHERE sequence IN (
            SELECT sequence FROM audit_log WHERE time < least(before, now() - interval '30 days')
            ORDER BY time LIMIT most
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
REVOKE EXECUTE ON FUNCTION expire_audit(timestamptz, integer) FROM PUBLIC;
