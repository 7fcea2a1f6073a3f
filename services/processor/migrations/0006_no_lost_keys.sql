-- Appended rows lose their keys to rows in the table only: keys of rows that have lost are not kept any more.
DROP TABLE lost_keys;
