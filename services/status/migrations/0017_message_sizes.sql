-- Bytes of the messages that carried a process's batches, and what the queue bills for sending them. 0: not told.
ALTER TABLE processes ADD COLUMN message_bytes bigint NOT NULL DEFAULT 0,
                      ADD COLUMN message_units bigint NOT NULL DEFAULT 0;
