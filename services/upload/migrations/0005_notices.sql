-- What a person should know of how the content was understood: a JSON array, as ingestor.notices writes it.
ALTER TABLE deliveries ADD COLUMN content_notices text NOT NULL DEFAULT '[]';
