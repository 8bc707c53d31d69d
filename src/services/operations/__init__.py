"""What is computed about runs: when the next is due, which alarms ring, what comes from what.

May import domain, sql and services.
"""
