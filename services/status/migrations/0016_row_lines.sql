-- On which lines the rows of a batch begin: from the row at a position (from 0) on, so many lines later than if each
-- row before were one line. Empty: each is one line; NULL: not told.
ALTER TABLE batches ADD COLUMN shift_positions bigint[], ADD COLUMN shift_lines bigint[];
