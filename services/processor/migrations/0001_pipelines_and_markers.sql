-- Pipelines: versions are immutable.
CREATE TABLE pipelines (
    tenant     text NOT NULL,
    name       text NOT NULL,
    version    integer NOT NULL CHECK (version >= 1),
    document   text NOT NULL,       -- as it was sent
    canonical  text NOT NULL,       -- equal for equal documents
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name, version)
);

-- Markers: a batch that stands here has had its effect in the sink, or never will have one (dead).
CREATE TABLE applied_batches (
    process_id   uuid NOT NULL,
    batch_number bigint NOT NULL,
    tenant       text NOT NULL,
    outcome      bytea,             -- what the status service is to be told; NULL once it knows
    applied_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (process_id, batch_number)
);
-- The outcome may be large and is compressed already.
ALTER TABLE applied_batches ALTER COLUMN outcome SET STORAGE EXTERNAL;
