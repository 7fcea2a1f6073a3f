-- Tenants are kept apart: by row-level security.
ALTER TABLE row_lineage DROP CONSTRAINT row_lineage_pkey, ADD PRIMARY KEY (tenant, target, key);
SELECT access.isolate('applied_batches'), access.isolate('repaired_rows'), access.isolate('closed_processes'),
    access.isolate('replaced_rows'), access.isolate('row_lineage'), access.isolate('removal_inbox');
