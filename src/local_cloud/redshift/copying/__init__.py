"""COPY: command, objects, target columns, load log; below it the fast and the staged way.

May import redshift.sql and redshift.refusals.
"""
