"""Redshift's SQL becomes PostgreSQL's: parsing, lists of what is portable, rewriting.

May import sql.
"""
