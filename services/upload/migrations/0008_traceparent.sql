-- A delivery belongs to the trace of the call that completed the upload.
ALTER TABLE deliveries ADD COLUMN traceparent text;
