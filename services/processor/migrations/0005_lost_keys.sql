-- Keys of appended rows that are not in their table, since a row before them had one of them; only of tables
-- with several unique keys. Until their process is removed or undone, rows after them do not get in by them.
CREATE TABLE lost_keys (
    target     text NOT NULL,             -- the table, as SQL has it
    key        text[] NOT NULL,           -- its columns
    hash_1     bigint NOT NULL,           -- of the values, by two seeds
    hash_2     bigint NOT NULL,
    process_id uuid NOT NULL,
    row_number bigint NOT NULL,
    tenant     text NOT NULL,
    lost_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX lost_keys_key ON lost_keys (target, key, hash_1);
CREATE INDEX lost_keys_process ON lost_keys (process_id);
CREATE INDEX lost_keys_time ON lost_keys (target, lost_at);
