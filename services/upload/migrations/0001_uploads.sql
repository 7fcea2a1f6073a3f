CREATE TABLE uploads (
    upload_id      uuid PRIMARY KEY,
    tenant         text NOT NULL,
    request_id     text,
    file_name      text NOT NULL,
    declared_size  bigint NOT NULL,        -- 0: not declared
    file_key       text NOT NULL,
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'completed', 'aborted')),
    committed_size bigint NOT NULL DEFAULT 0,
    process_id     uuid,
    created_at     timestamptz NOT NULL,
    touched_at     timestamptz NOT NULL,
    UNIQUE (tenant, request_id)
);
CREATE INDEX uploads_open ON uploads (touched_at) WHERE state = 'open';

-- Complete files on their way to the orchestrator: durable work with a lease.
CREATE TABLE deliveries (
    process_id       uuid PRIMARY KEY,
    upload_id        uuid NOT NULL REFERENCES uploads ON DELETE CASCADE,
    tenant           text NOT NULL,
    pipeline         text NOT NULL,
    pipeline_version integer NOT NULL,
    lease_owner      text,
    lease_until      timestamptz,
    attempts         integer NOT NULL DEFAULT 0,
    due_at           timestamptz NOT NULL,
    done_at          timestamptz
);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE done_at IS NULL;
