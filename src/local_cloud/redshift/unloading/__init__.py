"""UNLOAD: command, files, runner.

May import redshift.sql, redshift.copying and redshift.refusals.
"""
