"""A port that speaks PostgreSQL's protocol and Redshift's SQL, for any client."""
