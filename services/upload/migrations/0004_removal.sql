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

-- By which the parts of a process are found.
CREATE INDEX uploads_process ON uploads (process_id) WHERE process_id IS NOT NULL;
