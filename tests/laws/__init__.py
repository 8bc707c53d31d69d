"""Laws on random input of what all other code builds on: reading and quoting SQL."""
