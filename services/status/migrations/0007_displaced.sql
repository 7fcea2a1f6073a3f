-- Rows that were displaced by earlier ones of their file before the outcomes of their own batches have come,
-- which still count them as SUCCEEDED. They go when that outcome is recorded.
CREATE TABLE displaced_rows (
    process_id uuid NOT NULL REFERENCES processes ON DELETE CASCADE,
    row_number bigint NOT NULL,
    tenant     text NOT NULL,
    errors     jsonb NOT NULL,          -- as in row_exceptions
    PRIMARY KEY (process_id, row_number)
);
