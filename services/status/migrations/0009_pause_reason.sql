-- Why the suite itself paused a process; empty when a person did, and when it is not paused.
ALTER TABLE processes ADD COLUMN pause_reason text NOT NULL DEFAULT '';
