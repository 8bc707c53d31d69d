"""System views and functions, as .sql files."""
