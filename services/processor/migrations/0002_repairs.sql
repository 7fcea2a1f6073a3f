-- Failed rows that a repair has loaded, by process and number: each is loaded once, however many repairs
-- bring it. Written in the transaction that loads it.
CREATE TABLE repaired_rows (
    process_id        uuid NOT NULL,     -- the process that was repaired
    row_number        bigint NOT NULL,
    tenant            text NOT NULL,
    repair_process_id uuid NOT NULL,
    PRIMARY KEY (process_id, row_number)
);
