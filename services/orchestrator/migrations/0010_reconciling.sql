-- When it is looked at next whether the process of an ingestion has ended or lacks batches.
ALTER TABLE ingestions ADD COLUMN reconcile_at timestamptz NOT NULL DEFAULT '-infinity';
