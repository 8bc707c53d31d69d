"""The models in the registry, and what each is called in the report."""

from __future__ import annotations

MODELS = {"ticket_sales": "ticket_sales_prediction", "venue_popularity": "venue_popularity"}
