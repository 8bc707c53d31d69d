"""Redshift's dialect over PostgreSQL: COPY, DDL, system views, errors."""
