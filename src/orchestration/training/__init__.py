"""The stages of train_demo_models.py.

May import all below orchestration; never pipeline or validation.
"""
