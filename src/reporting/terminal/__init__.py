"""The console, the presenter and the tables of stages.

May import reporting.
"""
