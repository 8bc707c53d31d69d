"""Users and their rights, routines, materialized views: what is defined besides tables and views.

May import redshift.sql and the statements' readers of names.
"""
