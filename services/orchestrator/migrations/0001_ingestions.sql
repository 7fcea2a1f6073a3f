CREATE TABLE ingestions (
    process_id       uuid PRIMARY KEY,
    tenant           text NOT NULL,
    upload_id        text NOT NULL,
    file_name        text NOT NULL,
    size_bytes       bigint NOT NULL,
    file_key         text NOT NULL,
    pipeline         text NOT NULL,
    pipeline_version integer NOT NULL,
    state            text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'dispatched', 'stopped')),
    paused           boolean NOT NULL DEFAULT false,
    settled          boolean NOT NULL DEFAULT false,  -- status says that the process has ended
    columns          text[],                          -- NULL: the header was not read yet
    delimiter        text,
    data_start       bigint,                          -- offset of the first data record
    data_line        bigint,                          -- its physical line
    created_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ingestions_unsettled ON ingestions (created_at) WHERE NOT settled;

-- Boundaries, recorded before a batch is sent; they never change.
CREATE TABLE batches (
    process_id   uuid NOT NULL REFERENCES ingestions ON DELETE CASCADE,
    batch_number bigint NOT NULL,
    tenant       text NOT NULL,
    first_row    bigint NOT NULL,
    row_count    bigint NOT NULL,
    first_line   bigint NOT NULL,
    next_line    bigint NOT NULL,
    byte_start   bigint NOT NULL,
    byte_end     bigint NOT NULL,
    sent_at      timestamptz,  -- NULL: not acknowledged by the queue yet
    PRIMARY KEY (process_id, batch_number),
    UNIQUE (process_id, byte_start)
);
CREATE INDEX batches_unsent ON batches (process_id) WHERE sent_at IS NULL;
