-- Failed rows of another process are brought again: from a corrected report, or (retry) from its own file.
ALTER TABLE ingestions ADD COLUMN repairs uuid;
ALTER TABLE ingestions ADD COLUMN retry boolean NOT NULL DEFAULT false;
CREATE INDEX ingestions_repairs ON ingestions (repairs) WHERE repairs IS NOT NULL;
CREATE UNIQUE INDEX ingestions_retry ON ingestions (repairs) WHERE retry AND NOT settled;  -- one at a time
-- Of a retry's batch: the numbers of its rows in that process, and of the first record of its bytes.
ALTER TABLE batches ADD COLUMN retried_rows bigint[];
ALTER TABLE batches ADD COLUMN retried_first bigint;
