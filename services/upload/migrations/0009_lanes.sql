-- Files that need a conversion have places of their own; and deliveries that fail for a reason that repeats end.
ALTER TABLE deliveries ADD converts boolean NOT NULL DEFAULT false, ADD failures integer NOT NULL DEFAULT 0;
