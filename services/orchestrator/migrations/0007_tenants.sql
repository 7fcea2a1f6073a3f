-- Tenants are kept apart: by row-level security, and no reference reaches into another tenant.
ALTER TABLE ingestions ADD UNIQUE (process_id, tenant);
ALTER TABLE batches DROP CONSTRAINT batches_process_id_fkey,
    ADD FOREIGN KEY (process_id, tenant) REFERENCES ingestions (process_id, tenant) ON DELETE CASCADE;
SELECT access.isolate('ingestions'), access.isolate('batches'), access.isolate('removal_inbox');
