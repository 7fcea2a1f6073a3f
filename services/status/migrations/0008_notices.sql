-- What a person should know of a file and its rows: a JSON array, as ingestor.notices writes it.
ALTER TABLE processes ADD COLUMN notices text NOT NULL DEFAULT '[]';
