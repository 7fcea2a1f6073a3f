-- What happened when, for the overview.
CREATE INDEX batches_processed ON batches (processed_at) INCLUDE (succeeded, failed, skipped)
    WHERE processed_at IS NOT NULL;
CREATE INDEX processes_created ON processes (created_at);
CREATE INDEX processes_ended ON processes (ended_at, state);

-- The place of an event in the log as readers see it. `sequence` is taken when an event is written, so of
-- two transactions the later number may be visible first; `position` is given afterwards to events that are
-- visible, by one transaction at a time. Whoever has read up to a position has therefore read everything
-- before it.
ALTER TABLE events ADD COLUMN position bigint;
UPDATE events SET position = sequence;
CREATE SEQUENCE event_positions;
SELECT setval('event_positions', (SELECT coalesce(max(sequence), 0) + 1 FROM events), false);
CREATE UNIQUE INDEX events_position ON events (position);
CREATE INDEX events_without_position ON events (sequence) WHERE position IS NULL;
CREATE INDEX events_process_position ON events (process_id, position);
DROP INDEX events_process;
CREATE INDEX events_to_publish ON events (position) WHERE published_at IS NULL;
DROP INDEX events_unpublished;
