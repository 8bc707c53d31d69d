"""One file per family of statements; dispatch.py lists them all.

May import redshift.sql, redshift.copying and redshift.unloading.
"""
