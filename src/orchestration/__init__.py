"""The three workflows, and the one place that builds their parts.

May import everything but operations.
"""
