"""`python -m src.operations`: what is done around the runs, such as cleaning up.

May import orchestration, infrastructure and reporting.
"""
