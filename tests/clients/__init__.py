"""Other people's clients and their own test suites against the local Redshift."""
