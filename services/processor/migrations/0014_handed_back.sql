-- Messages that a processor of an older release has handed back to the queue, by the queue's identifiers. Should one of
-- them become a dead letter, its rows have not failed: it was received too often, not tried too often.
CREATE TABLE handed_back (
    message_id text NOT NULL,
    process_id uuid NOT NULL,
    tenant     text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, tenant)
);
CREATE INDEX handed_back_process ON handed_back (process_id);
SELECT access.isolate('handed_back');
