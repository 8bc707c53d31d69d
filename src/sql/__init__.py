"""SQL as text: the scanner, refusals and the .sql files; what a cursor of it can do.

May import nothing of the project.
"""
