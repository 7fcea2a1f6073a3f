-- The orchestrator keeps the pipelines. Its provisioning moves tables that hold any; empty ones go.
DO $$
BEGIN
    IF to_regclass('pipelines') IS NOT NULL AND NOT EXISTS (SELECT FROM pipelines) THEN
        DROP TABLE pipelines;
        DROP TABLE IF EXISTS deleted_pipelines;
    END IF;
END
$$;
