"""Concert Data Platform demo: from synthetic concerts to a verified warehouse."""

__version__ = "0.1.0"
