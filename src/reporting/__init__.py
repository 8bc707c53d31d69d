"""What people and programs read: reports, their schemas, wording.

May import domain.
"""
