"""Finds single rows of a process by their numbers."""

# State, errors and cells of rows. Rows that were never read are missing.
FIND_ROWS = """
SELECT n.number AS row_number, b.batch_number, coalesce(e.state, b.default_state) AS state,
       coalesce(e.errors, CASE WHEN b.error IS NULL THEN '[]' ELSE jsonb_build_array(b.error) END) AS errors,
       coalesce(e.cells, '{}') AS cells
FROM unnest($2::bigint[]) AS n (number)
CROSS JOIN LATERAL (
    SELECT * FROM batches WHERE process_id = $1 AND first_row <= n.number ORDER BY first_row DESC LIMIT 1) b
LEFT JOIN row_exceptions e ON e.process_id = $1 AND e.row_number = n.number
WHERE n.number < b.first_row + b.row_count AND b.processed_at IS NOT NULL
"""
