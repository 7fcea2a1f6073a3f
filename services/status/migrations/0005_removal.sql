-- The end of a process's life: it expires, it is deleted, it is undone.
ALTER TABLE processes ADD COLUMN expired_at timestamptz;    -- its records of single rows go
ALTER TABLE processes ADD COLUMN deleted_at timestamptz;    -- a tombstone: everything of it goes but this row
ALTER TABLE processes ADD COLUMN cleared_at timestamptz;    -- what had to go is gone
ALTER TABLE processes ADD COLUMN undo_removed bigint;       -- rows of the sink; NULL: not undone
ALTER TABLE processes ADD COLUMN undo_restored bigint;
ALTER TABLE processes ADD COLUMN undo_kept bigint;
CREATE INDEX processes_ended ON processes (ended_at)
    WHERE ended_at IS NOT NULL AND expired_at IS NULL AND deleted_at IS NULL;
CREATE INDEX processes_uncleared ON processes (process_id)
    WHERE cleared_at IS NULL AND (expired_at IS NOT NULL OR deleted_at IS NOT NULL);

-- What the other services follow. Written under a lock, so that numbers are in the order of commits.
CREATE TABLE removals (
    sequence   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process_id uuid NOT NULL,
    tenant     text NOT NULL,
    deleted    boolean NOT NULL,
    listed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
