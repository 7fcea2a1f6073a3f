-- How a file is read: declared with it, and what it was converted to. NULL: not looked at yet.
ALTER TABLE deliveries ADD COLUMN dialect text NOT NULL DEFAULT '{}';
ALTER TABLE deliveries ADD COLUMN content_key text;
ALTER TABLE deliveries ADD COLUMN content_bytes bigint;
ALTER TABLE deliveries ADD COLUMN normal_form boolean;
ALTER TABLE deliveries ADD COLUMN content_dialect text;
