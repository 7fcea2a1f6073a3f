-- Pipelines that are out of use: their versions stay, for the processes that ran with them.
CREATE TABLE deleted_pipelines (
    tenant     text NOT NULL,
    name       text NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name)
);
