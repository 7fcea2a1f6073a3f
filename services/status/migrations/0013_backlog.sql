-- For what is measured every few seconds: what waits, and what runs.
CREATE INDEX batches_waiting ON batches (process_id) INCLUDE (tenant, dispatched_at) WHERE processed_at IS NULL;
CREATE INDEX processes_running ON processes (state) WHERE ended_at IS NULL;
