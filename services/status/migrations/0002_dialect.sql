-- How the file was read, and the size of what is dispatched of it.
ALTER TABLE processes ADD COLUMN dialect text NOT NULL DEFAULT '';
ALTER TABLE processes ADD COLUMN content_bytes bigint NOT NULL DEFAULT 0;
