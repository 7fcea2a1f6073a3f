-- The log of removals, as far as this service has followed it, and what it has yet to remove.
CREATE TABLE removal_cursor (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    sequence bigint NOT NULL DEFAULT 0
);
INSERT INTO removal_cursor DEFAULT VALUES;
CREATE TABLE removal_inbox (
    sequence   bigint PRIMARY KEY,
    process_id uuid NOT NULL,
    tenant     text NOT NULL,
    deleted    boolean NOT NULL,     -- else it has expired
    attempts   integer NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL
);
CREATE INDEX removal_inbox_due ON removal_inbox (due_at);

-- Processes whose batches have no effect in the sink any more. One row says what else every marker of
-- the process would have to say, so that the markers can go.
CREATE TABLE closed_processes (
    process_id uuid PRIMARY KEY,
    tenant     text NOT NULL,
    gone       boolean NOT NULL,             -- deleted or expired: nothing is told of its batches either
    closed_at  timestamptz NOT NULL DEFAULT now(),
    removed    bigint,                       -- what an undo did to rows of the sink; NULL: not undone
    restored   bigint,
    kept       bigint,
    told       boolean NOT NULL DEFAULT true -- status knows of the undo
);
CREATE INDEX closed_processes_untold ON closed_processes (closed_at) WHERE NOT told;

-- Rows of upserted tables that are not there because a row of a later process took their place: what an
-- undo of that process sets back. A row stands here as long as `replaced_by` can be undone.
CREATE TABLE replaced_rows (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    tenant      text NOT NULL,
    process_id  uuid NOT NULL,               -- that loaded the row
    replaced_by uuid NOT NULL,
    row         json NOT NULL                -- column to value, lineage columns too
);
CREATE INDEX replaced_rows_by ON replaced_rows (replaced_by);
CREATE INDEX replaced_rows_of ON replaced_rows (process_id);
