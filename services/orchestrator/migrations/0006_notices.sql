-- What a person should know of how the content was understood: a JSON array, as ingestor.notices writes it.
ALTER TABLE ingestions ADD COLUMN notices text NOT NULL DEFAULT '[]';
