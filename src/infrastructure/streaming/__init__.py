"""The stream of Kinesis: made where it is missing, and written to without losing an event.

May import: aws and domain.
"""
