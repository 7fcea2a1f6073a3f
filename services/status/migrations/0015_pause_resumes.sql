-- Whether the suite resumes a process by itself that it has paused.
ALTER TABLE processes ADD COLUMN pause_resumes boolean NOT NULL DEFAULT false;
