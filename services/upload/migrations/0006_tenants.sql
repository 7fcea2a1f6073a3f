-- Tenants are kept apart: by row-level security, and no reference reaches into another tenant. A request id
-- belongs to who sent it.
ALTER TABLE uploads ADD COLUMN creator text NOT NULL DEFAULT '';
ALTER TABLE uploads DROP CONSTRAINT uploads_tenant_request_id_key,
    ADD UNIQUE (tenant, creator, request_id), ADD UNIQUE (upload_id, tenant);
ALTER TABLE deliveries DROP CONSTRAINT deliveries_upload_id_fkey,
    ADD FOREIGN KEY (upload_id, tenant) REFERENCES uploads (upload_id, tenant) ON DELETE CASCADE;
SELECT access.isolate('uploads'), access.isolate('deliveries'), access.isolate('removal_inbox');
