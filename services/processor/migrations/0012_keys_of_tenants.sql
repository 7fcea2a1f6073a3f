-- No unique key reaches across tenants. The tenant comes last, so that statements find rows by the other columns.
ALTER TABLE applied_batches DROP CONSTRAINT applied_batches_pkey, ADD PRIMARY KEY (process_id, batch_number, tenant);
ALTER TABLE repaired_rows DROP CONSTRAINT repaired_rows_pkey, ADD PRIMARY KEY (process_id, row_number, tenant);
ALTER TABLE closed_processes DROP CONSTRAINT closed_processes_pkey, ADD PRIMARY KEY (process_id, tenant);

-- Row-level security keeps comparisons of jsonb from being looked up in an index, but not those of numbers.
ALTER TABLE row_lineage
    DROP CONSTRAINT row_lineage_pkey,
    ADD PRIMARY KEY (target, key, tenant),
    ADD key_hash bigint GENERATED ALWAYS AS (jsonb_hash_extended(key, 0)) STORED;
CREATE INDEX row_lineage_hash ON row_lineage (target, key_hash);
