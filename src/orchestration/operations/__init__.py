"""The daily cycle: its steps, its schedule, and who is alerted.

May import settings, services, infrastructure and reporting.
"""
