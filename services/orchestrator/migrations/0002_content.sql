-- What is read may be something that the file was converted to, and is known only after the file is.
ALTER TABLE ingestions DROP CONSTRAINT ingestions_state_check;
ALTER TABLE ingestions ADD CONSTRAINT ingestions_state_check
    CHECK (state IN ('announced', 'open', 'dispatched', 'stopped'));
ALTER TABLE ingestions ALTER COLUMN state SET DEFAULT 'announced';
ALTER TABLE ingestions ALTER COLUMN file_key DROP NOT NULL;  -- of the content; NULL while announced
ALTER TABLE ingestions ADD COLUMN content_bytes bigint;
ALTER TABLE ingestions ADD COLUMN normal_form boolean NOT NULL DEFAULT false;
ALTER TABLE ingestions ADD COLUMN dialect text NOT NULL DEFAULT '{}';
ALTER TABLE ingestions ADD COLUMN quote text NOT NULL DEFAULT '"';
UPDATE ingestions SET content_bytes = size_bytes;
