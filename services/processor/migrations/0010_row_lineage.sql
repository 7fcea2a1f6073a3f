-- Lineage of upserted rows whose table has no columns for it. A row that does not stand here is older than all
-- processes.
CREATE TABLE row_lineage (
    target     regclass NOT NULL,
    key        jsonb NOT NULL,             -- values of the upsert's key in the table, in order
    process_id uuid NOT NULL,
    row_number bigint NOT NULL,
    tenant     text NOT NULL,
    PRIMARY KEY (target, key)
);
CREATE INDEX row_lineage_process ON row_lineage (process_id);
