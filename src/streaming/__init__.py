"""`python -m src.streaming`: ticket sales as they happen, from the stream into the warehouse.

May import orchestration, services, infrastructure, sql and reporting.
"""
