-- Replaced rows, many to a row of this table, which costs a fraction of a row for each: the texts of records with these
-- columns. In `row` such a row has the text "packed" instead of an object, so that a processor of the release before
-- refuses to undo what it cannot read.
ALTER TABLE replaced_rows ADD COLUMN names text[], ADD COLUMN packed text[];
-- Compressing them costs more than it saves.
ALTER TABLE replaced_rows ALTER COLUMN packed SET STORAGE EXTERNAL;
