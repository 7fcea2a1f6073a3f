-- How many rows a table had before a process loaded its first, for people; an estimate where they were too many to count.
CREATE TABLE rows_before (
    process_id uuid   NOT NULL,
    tenant     text   NOT NULL,
    row_count  bigint NOT NULL,
    estimated  bool   NOT NULL,
    PRIMARY KEY (process_id, tenant)
);
SELECT access.isolate('rows_before');
