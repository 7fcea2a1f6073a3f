-- A file may be a corrected report: the process that it repairs, and that process's table (JSON).
ALTER TABLE deliveries ADD COLUMN repairs uuid;
ALTER TABLE deliveries ADD COLUMN repaired_table text;
