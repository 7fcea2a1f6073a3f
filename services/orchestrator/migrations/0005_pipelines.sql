-- Pipelines: versions are immutable. Provisioning may have moved both tables here from the processor's
-- schema, where they were before.
CREATE TABLE IF NOT EXISTS pipelines (
    tenant     text NOT NULL,
    name       text NOT NULL,
    version    integer NOT NULL CHECK (version >= 1),
    document   text NOT NULL,       -- as it was sent
    canonical  text NOT NULL,       -- equal for equal documents
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name, version)
);

-- Pipelines that are out of use: their versions stay, for the processes that ran with them.
CREATE TABLE IF NOT EXISTS deleted_pipelines (
    tenant     text NOT NULL,
    name       text NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name)
);
