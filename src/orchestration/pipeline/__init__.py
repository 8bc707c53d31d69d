"""The stages of run_demo_pipeline.py.

May import all below orchestration; never training or validation.
"""
