"""The report's HTML page: views, charts, templates.

May import reporting and domain.
"""
