"""What the demo computes; nothing here talks to a server."""
