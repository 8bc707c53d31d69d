"""The server's page: a form for one concert and its prediction, as plain HTML without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from src.json_object import JsonObject
from src.serving.formats import UnusableInputError

_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:44rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}
form{display:grid;grid-template-columns:repeat(auto-fit,minmax(12rem,1fr));gap:.75rem}
label{display:block;font-size:.9rem}
input,select,button{font:inherit;width:100%;box-sizing:border-box;padding:.35rem}
button{grid-column:1/-1;cursor:pointer}
.answer,.error{border:1px solid;border-radius:.5rem;padding:0 1rem;margin:1.5rem 0}
.error{border-color:#c33}
.answer strong{font-size:2rem}
.bar{position:relative;height:1rem;background:#8883;border-radius:.5rem}
.bar i,.bar b{position:absolute;top:0;height:1rem}
.bar i{background:#38c8;border-radius:.5rem}
.bar b{width:3px;background:currentColor}
pre{overflow:auto;background:#8882;padding:.75rem;border-radius:.5rem}
"""
_LABELS = {
    "capacity": ("Capacity of the venue", 'required inputmode="numeric" placeholder="800"'),
    "starts_at": ("Start of the show", 'required placeholder="2026-05-01 20:00"'),
    "popularity": ("Popularity of the artist, 0 to 100", 'inputmode="decimal" placeholder="45"'),
    "base_price": ("Price of a ticket", 'inputmode="decimal" placeholder="60"'),
}
_CHOICES = {"genre": "Genre", "city": "City", "venue_type": "Kind of venue"}


def render(
    version: int,
    words: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
    answer: JsonObject | None,
    error: UnusableInputError | None,
) -> str:
    """Return the page; every text from outside is escaped."""
    fields = [_input(name, *_LABELS[name], given.get(name, "")) for name in _LABELS]
    fields += [_choice(name, _CHOICES[name], words[name], given) for name in _CHOICES]
    shown = _error(error) if error else _answer(answer, given) if answer else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>How many tickets?</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>
<body><h1>How many tickets will it sell?</h1>
<form method="get" action="/">{"".join(fields)}<button>Predict</button></form>
{shown}
<h2>From a program</h2>
<pre>curl -s -H 'Content-Type: application/json' --data \
'{{"capacity": 800, "starts_at": "2026-05-01 20:00", "base_price": 60}}' URL/invocations</pre>
<p>Model ticket_sales, version {version}. JSON, JSON Lines and CSV are read;
figures of the server are at <a href="/metrics">/metrics</a>.</p>
</body></html>
"""


def _input(name: str, label: str, attributes: str, value: str) -> str:
    return (
        f'<label>{escape(label)}<input name="{name}" value="{escape(value)}" {attributes}></label>'
    )


def _choice(name: str, label: str, known: Sequence[str], given: Mapping[str, str]) -> str:
    chosen = given.get(name, "")
    words = ["", *known] if chosen in ("", *known) else ["", chosen, *known]
    options = "".join(
        f'<option value="{escape(word)}"{" selected" if word == chosen else ""}>'
        f"{escape(word) or 'not given'}</option>"
        for word in words
    )
    return f'<label>{label}<select name="{name}">{options}</select></label>'


def _error(error: UnusableInputError) -> str:
    hint = f"<p>{escape(error.hint)}</p>" if error.hint else ""
    return f'<section class="error" role="alert"><p>{escape(error.message)}</p>{hint}</section>'


def _answer(answer: Mapping[str, Any], given: Mapping[str, str]) -> str:
    capacity = max(float(given.get("capacity", 0)), 1.0)
    left, middle, right = (100 * min(answer[name] / capacity, 1.0)
                           for name in ("low", "tickets", "high"))  # fmt: skip
    notes = "".join(f"<li>{escape(note)}</li>" for note in answer["notes"])
    return f"""<section class="answer"><p><strong>{answer["tickets"]:,.0f}</strong>
tickets expected, {answer["low"]:,.0f} to {answer["high"]:,.0f} of {capacity:,.0f}</p>
<div class="bar"><i style="left:{left:.1f}%;width:{max(right - left, 0.5):.1f}%"></i>
<b style="left:{middle:.1f}%"></b></div>
<p>Confidence: {escape(str(answer["label"]))}, {answer["confidence"]:.0%} to be within 20%.<br>
Probability of selling out: {answer["sell_out"]:.0%}. Without a limit: {answer["demand"]:,.0f}.</p>
<ul>{notes}</ul></section>"""
