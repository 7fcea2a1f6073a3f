-- Neighbouring rows of a batch that failed or were skipped for the same reasons (ingestor/runs.py). A row with a
-- record of its own in row_exceptions, such as a repaired one, is what that record says.
CREATE TABLE row_runs (
    process_id   uuid NOT NULL,
    first_row    bigint NOT NULL,
    row_count    integer NOT NULL,
    batch_number bigint NOT NULL,
    tenant       text NOT NULL,
    state        smallint NOT NULL,
    first_line   bigint NOT NULL,
    lines        bigint[],              -- of each row; NULL: each begins on the line after the row before
    errors       jsonb NOT NULL,        -- of the first row; all rows have their codes, fields and phases
    cells        text[] NOT NULL,       -- of the first row
    rest         bytea,                 -- how the rows differ besides; NULL: they do not
    rest_size    integer NOT NULL,      -- bytes, inflated
    repairs_rows bigint[],              -- in a repair: the number there of each row; 0: none
    PRIMARY KEY (process_id, first_row),
    FOREIGN KEY (process_id, tenant) REFERENCES processes (process_id, tenant) ON DELETE CASCADE
);
ALTER TABLE row_runs ALTER COLUMN rest SET STORAGE EXTERNAL;  -- it is deflated already

SELECT access.isolate('row_runs');
