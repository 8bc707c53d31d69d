"""System views and functions, as .sql files that are run in the order of their names."""
