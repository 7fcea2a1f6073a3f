-- How many rows may fail before the process is given up; NULL: any number.
ALTER TABLE processes ADD COLUMN max_failed bigint;
ALTER TABLE processes ADD COLUMN max_failed_share double precision;
