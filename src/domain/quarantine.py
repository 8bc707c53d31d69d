"""How the quarantine shows what was rejected: keys and raw records, as SQL for three engines."""

from __future__ import annotations

from src.domain import text_values as texts
from src.domain.tables import TableSpec

QUARANTINED_CHARACTERS = 1000  # of a value: eight of them, escaped, fit a Redshift VARCHAR
CUT = "...[cut]"
_CONTROLS = "".join(chr(code) for code in range(1, 32) if chr(code) not in "\b\t\n\f\r")
_PICTURES = "".join(chr(0x2400 + ord(control)) for control in _CONTROLS)
_ESCAPES = {"\\": "\\", '"': '"', "\b": "b", "\t": "t", "\n": "n", "\f": "f", "\r": "r"}


def shortened(text: str) -> str:
    """Return SQL for a text, cut where it is long."""
    n = QUARANTINED_CHARACTERS
    return (
        f"CASE WHEN LENGTH({text}) > {n} THEN SUBSTRING({text}, 1, {n}) || '{CUT}' ELSE {text} END"
    )


def record(spec: TableSpec) -> str:
    """Return SQL for the raw record as JSON: its texts as they came.

    An empty text and COPY's NULL are null; rare control characters become their pictures. That
    frees CHR(1), which stands for the quotes around names and values until texts are escaped.
    """
    # With a mark behind them: Redshift compares without trailing blanks, Spark with them.
    absent = ", ".join(texts.literal(f"{text}.") for text in texts.ABSENT)
    pieces = []
    for index, name in enumerate(spec.column_names):
        raw = f"raw__{name}"
        text = f"REPLACE({shortened(raw)}, CHR(1), '{_PICTURES[0]}')"
        shown = (
            f"CASE WHEN {raw} || '.' IN ({absent}) THEN 'null' ELSE CHR(1) || {text} || CHR(1) END"
        )
        before = texts.literal(f"{',' if index else '{'}\x01{name}\x01:")
        pieces.append(f"{before} || COALESCE({shown}, 'null')")
    text = " || ".join(pieces) + " || '}'"
    for character, letter in _ESCAPES.items():
        escape = texts.literal(f"\\{letter}")
        text = f"REPLACE({text}, CHR({ord(character)}), {escape})"
    text = f"REPLACE({text}, CHR(1), '\"')"
    return f"TRANSLATE({text}, {texts.literal(_CONTROLS[1:])}, '{_PICTURES[1:]}')"
