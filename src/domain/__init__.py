"""The tables, described once."""
