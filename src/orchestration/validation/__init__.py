"""The checks of validate_demo_pipeline.py, by what they look at."""
