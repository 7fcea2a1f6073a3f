-- A process may bring failed rows of another one again.
ALTER TABLE processes ADD COLUMN repairs uuid;                -- NULL: it stands for itself
CREATE INDEX processes_repairs ON processes (repairs) WHERE repairs IS NOT NULL;
ALTER TABLE row_exceptions ADD COLUMN repairs_row bigint;     -- in a repair: the row's number there; 0: none

-- What rows were before they were repaired.
CREATE TABLE row_history (
    process_id        uuid NOT NULL REFERENCES processes ON DELETE CASCADE,
    row_number        bigint NOT NULL,
    repair_process_id uuid NOT NULL,
    errors            jsonb NOT NULL,
    cells             text[] NOT NULL,
    replaced_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (process_id, row_number, repair_process_id)
);
