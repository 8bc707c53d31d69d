"""The user's own files: found, read and checked.

May import services.encoding and domain.
"""
