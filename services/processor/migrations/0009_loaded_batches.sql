-- Whether the batch has loaded rows: from then on its process is paused when its table takes none any more,
-- and its rows do not fail.
ALTER TABLE applied_batches ADD COLUMN loaded boolean NOT NULL DEFAULT false;
