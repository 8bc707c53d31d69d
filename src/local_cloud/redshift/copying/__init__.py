"""COPY: command, objects, columns, load log; the fast and the staged way.

May import redshift.sql and redshift.refusals.
"""
