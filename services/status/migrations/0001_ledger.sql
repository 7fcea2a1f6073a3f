-- The ledger of ranges and exceptions.

CREATE TABLE processes (
    position           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,  -- the order of lists
    process_id         uuid PRIMARY KEY,
    tenant             text NOT NULL,
    upload_id          text NOT NULL DEFAULT '',
    file_name          text NOT NULL DEFAULT '',
    size_bytes         bigint NOT NULL DEFAULT 0,
    pipeline           text NOT NULL DEFAULT '',
    pipeline_version   integer NOT NULL DEFAULT 0,
    started            boolean NOT NULL DEFAULT false,  -- false: known only by a record that came early
    state              smallint NOT NULL DEFAULT 1,
    read_rows          bigint NOT NULL DEFAULT 0,
    succeeded          bigint NOT NULL DEFAULT 0,
    failed             bigint NOT NULL DEFAULT 0,
    skipped            bigint NOT NULL DEFAULT 0,
    batches_dispatched bigint NOT NULL DEFAULT 0,
    batches_processed  bigint NOT NULL DEFAULT 0,
    bytes_dispatched   bigint NOT NULL DEFAULT 0,
    columns            text[] NOT NULL DEFAULT '{}',
    header_read        boolean NOT NULL DEFAULT false,
    paused             boolean NOT NULL DEFAULT false,
    cancelled          boolean NOT NULL DEFAULT false,
    expected_rows      bigint,
    expected_batches   bigint,
    failure_reason     text,
    failure_message    text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    ended_at           timestamptz,
    CHECK (succeeded + failed + skipped <= read_rows),
    CHECK (batches_processed <= batches_dispatched)
);

CREATE TABLE batches (
    process_id    uuid NOT NULL REFERENCES processes ON DELETE CASCADE,
    batch_number  bigint NOT NULL,
    tenant        text NOT NULL,
    first_row     bigint NOT NULL,
    row_count     bigint NOT NULL,
    first_line    bigint NOT NULL,
    byte_start    bigint NOT NULL,
    byte_end      bigint NOT NULL,
    dispatched_at timestamptz NOT NULL DEFAULT now(),
    processed_at  timestamptz,            -- NULL: no outcome yet
    default_state smallint,               -- of rows without a record of their own
    succeeded     bigint NOT NULL DEFAULT 0,
    failed        bigint NOT NULL DEFAULT 0,
    skipped       bigint NOT NULL DEFAULT 0,
    error         jsonb,                  -- the reason of all FAILED rows without a record of their own
    PRIMARY KEY (process_id, batch_number),
    UNIQUE (process_id, first_row)
);

CREATE TABLE row_exceptions (
    process_id   uuid NOT NULL REFERENCES processes ON DELETE CASCADE,
    row_number   bigint NOT NULL,
    line_number  bigint NOT NULL,
    batch_number bigint NOT NULL,
    tenant       text NOT NULL,
    state        smallint NOT NULL,
    errors       jsonb NOT NULL,          -- [[code, field, value, message, phase], ...]
    cells        text[] NOT NULL,
    PRIMARY KEY (process_id, row_number)
);

-- Errors by code and field, kept per batch so that a summary never reads the rows.
CREATE TABLE error_counts (
    process_id   uuid NOT NULL REFERENCES processes ON DELETE CASCADE,
    batch_number bigint NOT NULL,
    code         text NOT NULL,
    field        text NOT NULL,
    tenant       text NOT NULL,
    count        bigint NOT NULL,
    example      text NOT NULL,
    first_row    bigint NOT NULL,
    PRIMARY KEY (process_id, batch_number, code, field)
);

-- The outbox: written with what it tells of, published afterwards.
CREATE TABLE events (
    sequence     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid NOT NULL DEFAULT gen_random_uuid(),
    tenant       text NOT NULL,
    process_id   uuid NOT NULL,
    type         text NOT NULL,
    time         timestamptz NOT NULL DEFAULT clock_timestamp(),
    data         jsonb NOT NULL,
    traceparent  text NOT NULL,
    published_at timestamptz
);
CREATE INDEX events_unpublished ON events (sequence) WHERE published_at IS NULL;
CREATE INDEX events_process ON events (process_id, sequence);
