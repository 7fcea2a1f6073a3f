-- Row-level security by tenant: a transaction sees the rows of the tenant in its setting `ingestor.tenant`; those
-- of all tenants when that is '*', which only work of the services themselves sets. Without it, none. Also for
-- the owner of the table.
CREATE FUNCTION isolate(isolated regclass, tenant_column name DEFAULT 'tenant') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', isolated);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', isolated);
    EXECUTE format(
        'CREATE POLICY tenant ON %s USING '
        '((SELECT current_setting(''ingestor.tenant'', true)) IN (%I, ''*''))',
        isolated, tenant_column
    );
END
$$;

CREATE TABLE tenants (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_-]{0,30}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz                    -- set first when a tenant is removed; its name is not used again
);
SELECT isolate('tenants', 'name');

CREATE TABLE api_keys (
    prefix       text PRIMARY KEY,
    tenant       text NOT NULL REFERENCES tenants,
    name         text NOT NULL,
    sha256       bytea NOT NULL,              -- of the whole key
    roles        text[] NOT NULL,
    pipelines    text[] NOT NULL DEFAULT '{}',
    creator      text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_tenant ON api_keys (tenant, created_at DESC, prefix);
SELECT isolate('api_keys');

-- Roles of persons, beside those that their tokens name.
CREATE TABLE members (
    tenant     text NOT NULL REFERENCES tenants,
    subject    text NOT NULL,
    roles      text[] NOT NULL,
    creator    text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, subject)
);
CREATE INDEX members_subject ON members (subject);
SELECT isolate('members');

CREATE TABLE quotas (
    tenant    text NOT NULL REFERENCES tenants,
    name      text NOT NULL,
    max_value bigint NOT NULL CHECK (max_value >= 0),
    PRIMARY KEY (tenant, name)
);
SELECT isolate('quotas');

-- What a tenant has used on a day (UTC).
CREATE TABLE usage (
    tenant text NOT NULL REFERENCES tenants,
    day    date NOT NULL,
    name   text NOT NULL,
    used   bigint NOT NULL,
    PRIMARY KEY (tenant, day, name)
);
SELECT isolate('usage');

-- Who did what. Services insert and read; nobody updates; `expire_audit` deletes.
CREATE TABLE audit_log (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time     timestamptz NOT NULL DEFAULT clock_timestamp(),
    tenant   text NOT NULL,
    subject  text NOT NULL,
    roles    text[] NOT NULL,
    method   text NOT NULL,
    object   text NOT NULL,
    outcome  text NOT NULL,
    reason   text NOT NULL,
    address  text NOT NULL,
    trace_id text NOT NULL
);
CREATE INDEX audit_log_tenant ON audit_log (tenant, sequence DESC);
CREATE INDEX audit_log_time ON audit_log (time);
SELECT isolate('audit_log');

-- What a service asks before it knows the caller's tenant. These functions run as their owner, who sees all
-- tenants here, and only here.
CREATE POLICY owner ON tenants TO CURRENT_USER USING (true);
CREATE POLICY owner ON api_keys TO CURRENT_USER USING (true);
CREATE POLICY owner ON members TO CURRENT_USER USING (true);
CREATE POLICY owner ON audit_log TO CURRENT_USER USING (true);

CREATE FUNCTION find_key(wanted text)
RETURNS TABLE (tenant text, name text, sha256 bytea, roles text[], pipelines text[], expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = access, pg_temp AS $$
    SELECT k.tenant, k.name, k.sha256, k.roles, k.pipelines, k.expires_at
    FROM api_keys k JOIN tenants t ON t.name = k.tenant
    WHERE k.prefix = wanted AND k.revoked_at IS NULL AND t.removed_at IS NULL
$$;

CREATE FUNCTION note_use_of_key(used text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = access, pg_temp AS $$
    UPDATE api_keys SET last_used_at = date_trunc('minute', now())
    WHERE prefix = used AND last_used_at IS DISTINCT FROM date_trunc('minute', now())
$$;

-- Roles by tenant of a person that is known by any of these subjects.
CREATE FUNCTION memberships(subjects text[]) RETURNS TABLE (tenant text, roles text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = access, pg_temp AS $$
    SELECT m.tenant, m.roles FROM members m WHERE m.subject = ANY (subjects)
$$;

CREATE FUNCTION tenant_exists(wanted text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = access, pg_temp AS $$
    SELECT EXISTS (SELECT FROM tenants WHERE name = wanted AND removed_at IS NULL)
$$;

-- Deletes audit records before a time, at least 30 days back; returns how many.
CREATE FUNCTION expire_audit(before timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = access, pg_temp AS $$
    WITH gone AS (
        DELETE FROM audit_log WHERE time < least(before, now() - interval '30 days') RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA access FROM PUBLIC;
