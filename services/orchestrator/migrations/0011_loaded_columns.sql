-- Which pipelines have read a file with which columns. Kept beyond the records of the processes, so that a file that
-- comes once a year is known again.
CREATE TABLE loaded_columns (
    tenant    text NOT NULL,
    digest    bytea NOT NULL,  -- SHA-256 of the labels, sorted
    pipeline  text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, digest, pipeline)
);
CREATE INDEX loaded_columns_of_pipelines ON loaded_columns (tenant, pipeline, loaded_at);
SELECT access.isolate('loaded_columns');
