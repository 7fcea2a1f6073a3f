-- Tenants are kept apart: by row-level security, and no reference reaches into another tenant.
ALTER TABLE row_history ADD COLUMN tenant text;
UPDATE row_history h SET tenant = p.tenant FROM processes p WHERE p.process_id = h.process_id;
ALTER TABLE row_history ALTER COLUMN tenant SET NOT NULL;

ALTER TABLE processes ADD CONSTRAINT processes_tenant UNIQUE (process_id, tenant);
ALTER TABLE batches DROP CONSTRAINT batches_process_id_fkey,
    ADD FOREIGN KEY (process_id, tenant) REFERENCES processes (process_id, tenant) ON DELETE CASCADE;
ALTER TABLE row_exceptions DROP CONSTRAINT row_exceptions_process_id_fkey,
    ADD FOREIGN KEY (process_id, tenant) REFERENCES processes (process_id, tenant) ON DELETE CASCADE;
ALTER TABLE error_counts DROP CONSTRAINT error_counts_process_id_fkey,
    ADD FOREIGN KEY (process_id, tenant) REFERENCES processes (process_id, tenant) ON DELETE CASCADE;
ALTER TABLE row_history DROP CONSTRAINT row_history_process_id_fkey,
    ADD FOREIGN KEY (process_id, tenant) REFERENCES processes (process_id, tenant) ON DELETE CASCADE;
ALTER TABLE displaced_rows DROP CONSTRAINT displaced_rows_process_id_fkey,
    ADD FOREIGN KEY (process_id, tenant) REFERENCES processes (process_id, tenant) ON DELETE CASCADE;

CREATE INDEX processes_list ON processes (tenant, position);
DROP INDEX processes_created, processes_ended_in, batches_processed;
CREATE INDEX processes_created ON processes (tenant, created_at);
CREATE INDEX processes_ended_in ON processes (tenant, ended_at, state);
CREATE INDEX batches_processed ON batches (tenant, processed_at) INCLUDE (succeeded, failed, skipped)
    WHERE processed_at IS NOT NULL;

SELECT access.isolate('processes'), access.isolate('batches'), access.isolate('row_exceptions'),
    access.isolate('error_counts'), access.isolate('row_history'), access.isolate('displaced_rows'),
    access.isolate('events'), access.isolate('removals');
