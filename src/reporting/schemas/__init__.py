"""JSON Schemas of the three reports."""
