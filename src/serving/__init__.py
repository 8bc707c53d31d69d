"""`python -m src.serving`: predictions for one concert, for files, and over HTTP.

May import orchestration, services, infrastructure, domain, settings and reporting. What the
server itself needs (formats, model_package, predictor, app, page) imports numpy and the server's
own packages only.
"""
