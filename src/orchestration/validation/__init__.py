"""The checks of validate_demo_pipeline.py, by what they look at.

May import all below orchestration; never pipeline or training.
"""
