ALTER TABLE closed_processes RENAME COLUMN told TO reported;
ALTER INDEX closed_processes_untold RENAME TO closed_processes_unreported;
