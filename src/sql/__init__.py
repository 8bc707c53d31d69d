"""SQL as text: the scanner, refusals and the .sql files.

May import nothing of the project.
"""
