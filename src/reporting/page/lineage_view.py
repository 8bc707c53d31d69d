"""Where the data comes from: a picture from raw file to prediction, and each column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from src.domain.lineage import Dataset, kept_lineage
from src.json_object import JsonObject, JsonView
from src.reporting.figures import count
from src.reporting.wording import human_bytes, plural, status_word

_WIDTH, _BOX, _HEIGHT, _STEP, _TOP = 900, 160, 30, 42, 72
_SIGNS = {"success": "✓", "failed": "✗", "interrupted": "–", "skipped": "–"}
_LAYERS = (
    ("raw", "S3: raw files", "data_generation", "raw_records"),
    ("processed", "S3: clean rows", "glue_etl", "etl_accepted"),
    ("warehouse", "Redshift", "redshift_load", "loaded"),
    ("features", "feature queries", "sales_data", ""),
    ("predictions", "predictions", "predictions", ""),
)
_MANY = 6  # links in a cell
_TONES = {"failed": "bad", "interrupted": "warn"}


def lineage_view(facts: JsonView) -> JsonObject:
    """Return the picture, and the columns of every data set with links both ways."""
    datasets = kept_lineage()
    return {"picture": _picture(facts, datasets), "datasets": _tables(datasets)}


def _picture(facts: JsonView, datasets: Sequence[Dataset]) -> Markup:
    """Draw a column of boxes for each layer, and a line for each data set that one is made of."""
    gap = (_WIDTH - _BOX) / (len(_LAYERS) - 1)
    rows_of = facts.get("rows") or {} if facts["report"] == "pipeline" else {}
    places: dict[str, tuple[float, float]] = {}
    boxes, lines = [], []
    for number, (layer, title, stage, rows) in enumerate(_LAYERS):
        x = number * gap
        step = facts["steps"].get(stage) or {}
        boxes.append(_text(x + _BOX / 2, 16, title))
        for line, words in enumerate(_stage_words(step, layer, facts)):
            boxes.append(_text(x + _BOX / 2, 36 + 18 * line, words))
        tone = _TONES.get(step.get("status", ""), "")
        for place, dataset in enumerate(d for d in datasets if d.layer == layer):
            y = float(_TOP + place * _STEP)
            places[dataset.key] = (x, y)
            held = (rows_of.get(dataset.name) or {}).get(rows) if rows else None
            name = dataset.name.replace("_", " ")
            words = name if held is None else f"{name}: {count(held)}"
            boxes.append(_box(dataset.key, x, y, words, tone))
    for dataset in datasets:
        for source in dict.fromkeys(s.rpartition(".")[0] for c in dataset.columns
                                    for s in c.sources):  # fmt: skip
            if source in places and dataset.key in places:
                lines.append(_line(places[source], places[dataset.key]))
    height = int(max(y for _, y in places.values())) + _HEIGHT + 8
    head = Markup('<svg viewBox="0 0 {} {}" role="group" aria-label="{}">').format(
        _WIDTH, height, "Data sets from raw file to prediction, and which is made of which"
    )
    return head + Markup("").join([*lines, *boxes]) + Markup("</svg>")


def _stage_words(step: JsonView, layer: str, facts: JsonView) -> list[str]:
    """Return a layer's state and seconds, and what went through it: bytes, rejected rows."""
    if not step:
        return []
    status = str(step["status"])
    state = f"{_SIGNS.get(status, '·')} {status_word(status)}"
    if "seconds" in step:
        state += f", {step['seconds']:.1f} s"
    amount = {
        "raw": human_bytes(step["bytes"]) if step.get("bytes") is not None else "",
        "processed": f"{count(step['rejected_rows'])} rejected" if "rejected_rows" in step else "",
        "warehouse": human_bytes(sum(t.get("bytes") or 0 for t in step["tables"].values()))
        + " of Parquet" if step.get("tables") and facts["arguments"].get("etl") == "glue" else "",
    }.get(layer, "")  # fmt: skip
    return [state, *([amount] if amount else [])]


def _box(key: str, x: float, y: float, words: str, tone: str) -> Markup:
    return Markup(
        '<a href="#l-{key}"><rect x="{x:.0f}" y="{y:.0f}" width="{w}" height="{h}" rx="5" '
        'class="dataset {tone}"/>{text}</a>'
    ).format(key=key, x=x, y=y, w=_BOX, h=_HEIGHT, tone=tone,
             text=_text(x + _BOX / 2, y + 20, words))  # fmt: skip


def _text(x: float, y: float, words: str) -> Markup:
    return Markup('<text x="{:.0f}" y="{:.0f}" text-anchor="middle">{}</text>').format(x, y, words)


def _line(start: tuple[float, float], end: tuple[float, float]) -> Markup:
    (x1, y1), (x2, y2) = start, end
    return Markup('<line x1="{:.0f}" y1="{:.0f}" x2="{:.0f}" y2="{:.0f}" class="flow"/>').format(
        x1 + _BOX, y1 + _HEIGHT / 2, x2, y2 + _HEIGHT / 2
    )


def _tables(datasets: Sequence[Dataset]) -> list[JsonObject]:
    goes_to: dict[str, list[str]] = defaultdict(list)
    for dataset in datasets:
        for column in dataset.columns:
            for source in column.sources:
                goes_to[source].append(f"{dataset.key}.{column.name}")
    return [
        {
            "key": dataset.key,
            "deciding": ", ".join(dataset.deciding),
            "columns": [
                {
                    "key": f"{dataset.key}.{column.name}",
                    "name": column.name,
                    "sources": _links(column.sources),
                    "targets": _links(goes_to[f"{dataset.key}.{column.name}"]),
                }
                for column in dataset.columns
            ],
        }
        for dataset in datasets
    ]


def _links(keys: Sequence[str]) -> list[Mapping[str, str]]:
    """Return links to columns; to their data sets, with a count, where they are many."""
    if len(keys) <= _MANY:
        return [{"key": key, "words": key} for key in keys]
    by_dataset: dict[str, int] = defaultdict(int)
    for key in keys:
        by_dataset[key.rpartition(".")[0]] += 1
    return [
        {"key": key, "words": f"{plural(number, 'column')} of {key}"}
        for key, number in by_dataset.items()
    ]
