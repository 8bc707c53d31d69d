"""The temporary tables of a COPY on its way: text as it came, and JSON documents."""

STAGE = "pg_temp.redshift_copy_stage"
LINES = "pg_temp.redshift_copy_lines"
