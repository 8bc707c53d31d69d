"""What a text means: absent, a key, an integer, an amount or a time, as SQL for three engines.

The SQL runs unchanged on Redshift and on Spark 3.5, and through sqlglot on DuckDB. So it uses
only what all of them have with one meaning: no `LIKE`, no backslash or quote in a literal, no
cast of a text before a regular expression has accepted it, no engine's own reading of dates.

Of each column X there are, one step after another: `raw__X` (as it came), `text__X` (tidied),
`plain__X` (a number or time written so that every engine casts it alike; NULL where the text
is no such value or too large), and the value itself: X, of a decimal `exact__X`.
"""

from __future__ import annotations

from collections.abc import Sequence

from src.domain.tables import Column

# White space as Unicode defines it.
SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
SPACES += "\u2028\u2029\u202f\u205f\u3000"
ABSENT = ("", "\\N")  # besides what a user's setting adds
FIRST_YEAR, LAST_YEAR = 1800, 2199

# In character classes and without backslashes: POSIX, Java and RE2 then all agree.
INTEGER = "^[+-]?[0-9]{1,18}([.]0*)?$"
DECIMAL = "^[+-]?([0-9]{1,20}([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$"
_SHORT_DECIMAL = "^-?[0-9]{1,12}([.][0-9]{1,17})?$"
DAY_OF_ANY_YEAR = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_DAY = (
    f"([0-9]{{4}}-{DAY_OF_ANY_YEAR}"
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
HOURS_MINUTES = "([01][0-9]|2[0-3]):[0-5][0-9]"
_OFFSET = "(Z|[+-](0[0-9]|1[0-3])(:?[0-5][0-9])?|[+-]14(:?00)?)"
TIMESTAMP = f"^{_DAY}([ T]{HOURS_MINUTES}(:[0-5][0-9]([.][0-9]{{1,9}})?)?{_OFFSET}?)?$"
_KEY_WITH_POINT = "^(0|[1-9][0-9]{0,17})[.]0$"  # how pandas writes an integer column with gaps
GRAMMAR = {"integer": INTEGER, "decimal": DECIMAL, "timestamp": TIMESTAMP}

_DIGITS_BEFORE_POINT = 12  # of the largest amount: DECIMAL(14,2)
EXACT = "DECIMAL(30,18)"


def _letters() -> tuple[str, str]:
    """Return the letters beyond ASCII that have exactly one other case, upper and lower."""
    blocks = (range(0xC0, 0x180), range(0x386, 0x3D0), range(0x400, 0x460))
    upper = [
        letter
        for letter in (chr(code) for block in blocks for code in block)
        if letter.lower() != letter
        and letter.lower().upper() == letter
        and len(letter.lower()) == 1
    ]
    return "".join(upper), "".join(upper).lower()


_UPPER, _LOWER = _letters()


def literal(text: str) -> str:
    """Return SQL for a text; what engines escape differently is written by its number."""
    pieces = [""]
    for character in text:
        if character in "\\'" or character < " ":
            pieces += [f"CHR({ord(character)})", ""]
        else:
            pieces[-1] += character
    shown = [piece if index % 2 else f"'{piece}'" for index, piece in enumerate(pieces)]
    return " || ".join(piece for piece in shown if piece != "''") or "''"


def matches(text: str, pattern: str) -> str:
    """Return SQL that is true where the text matches; NULL where it is NULL."""
    return f"REGEXP_COUNT({text}, '{pattern}') > 0"


def trimmed(name: str) -> str:
    """Return SQL for a raw text without white space around it."""
    return f"BTRIM({name}, {literal(SPACES)})"


def tidied(column: Column, text: str, absent: Sequence[str]) -> str:
    """Return SQL for a trimmed text: NULL where it is absent, in the column's letter case."""
    cases = f"WHEN {text} IN ({', '.join(map(literal, absent))}) THEN NULL"
    otherwise = text
    if column.kind == "key":
        cases += f" WHEN RIGHT({text}, 2) = '.0' AND {matches(text, _KEY_WITH_POINT)}"
        cases += f" THEN SPLIT_PART({text}, '.', 1)"
    if column.case:
        source, target = (_UPPER, _LOWER) if column.case == "lower" else (_LOWER, _UPPER)
        simple = f"{column.case.upper()}({text})"
        cases += f" WHEN OCTET_LENGTH({text}) = LENGTH({text}) THEN {simple}"
        ascii_upper, ascii_lower = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
        source = (ascii_upper if column.case == "lower" else ascii_lower) + source
        target = (ascii_lower if column.case == "lower" else ascii_upper) + target
        otherwise = f"TRANSLATE({text}, '{source}', '{target}')"
    return f"CASE {cases} ELSE {otherwise} END"


def plain(column: Column) -> str:
    """Return SQL for the text of a number or time as every engine casts it."""
    text = f"text__{column.name}"
    if column.kind == "integer":
        digits = f"SPLIT_PART(REPLACE({text}, '+', ''), '.', 1)"
        return f"CASE WHEN {matches(text, INTEGER)} THEN {digits} END"
    if column.kind == "decimal":
        return (
            f"CASE WHEN point__{column.name} IS NOT NULL THEN {_plain_decimal(column.name)} "
            f"WHEN {matches(text, _SHORT_DECIMAL)} THEN {text} END"
        )
    # A year more at both ends: an offset may bring the time in UTC back into the limits.
    year = f"SUBSTRING({text}, 1, 4)"
    is_in_range = f"{year} >= '{FIRST_YEAR - 1}' AND {year} <= '{LAST_YEAR + 1}'"
    return f"CASE WHEN {is_in_range} AND {matches(text, TIMESTAMP)} THEN {_plain_time(text)} END"


def decimal_parts(name: str) -> tuple[str, str]:
    """Return SQL for the mantissa and the exponent of a decimal in any but the short form."""
    text = f"text__{name}"
    is_long = f"NOT {matches(text, _SHORT_DECIMAL)} AND {matches(text, DECIMAL)}"
    lower = f"LOWER({text})"
    mantissa = f"CASE WHEN {is_long} THEN SPLIT_PART({lower}, 'e', 1) END AS mantissa__{name}"
    exponent = f"'0' || REPLACE(REPLACE(SPLIT_PART({lower}, 'e', 2), '+', ''), '-', '')"
    sign = f"CASE WHEN POSITION('e-' IN {lower}) > 0 THEN -1 ELSE 1 END"
    return mantissa, (
        f"CASE WHEN {is_long} THEN {sign} * CAST({exponent} AS INT) END AS exponent__{name}"
    )


def decimal_digits(name: str) -> tuple[str, str]:
    """Return SQL for all digits between enough zeros, and for how many are before the point."""
    mantissa = f"mantissa__{name}"
    digits = f"REPLACE(TRIM(LEADING '+-' FROM {mantissa}), '.', '')"
    before = f"LENGTH(TRIM(LEADING '+-' FROM SPLIT_PART({mantissa}, '.', 1)))"
    return (
        f"REPEAT('0', 100) || {digits} || REPEAT('0', 120) AS digits__{name}",
        f"100 + {before} + exponent__{name} AS point__{name}",
    )


def _plain_decimal(name: str) -> str:
    """Return SQL that writes sign, up to 12 digits, a point and 18 digits.

    The last digit is 1 where any digit behind it is not 0: enough to round, to compare and to
    count correctly.
    """
    digits, point = f"digits__{name}", f"point__{name}"
    whole = f"TRIM(LEADING '0' FROM SUBSTRING({digits}, 1, {point}))"
    rest = f"TRIM(LEADING '0' FROM SUBSTRING({digits}, {point} + 18))"
    sign = f"CASE WHEN SUBSTRING(mantissa__{name}, 1, 1) = '-' THEN '-0' ELSE '0' END"
    return (
        f"CASE WHEN LENGTH({whole}) <= {_DIGITS_BEFORE_POINT} THEN {sign} || {whole} || '.' "
        f"|| SUBSTRING({digits}, {point} + 1, 17) || CASE WHEN {rest} = '' THEN '0' ELSE '1' END "
        "END"
    )


def _plain_time(text: str) -> str:
    """Return SQL that writes YYYY-MM-DD HH:MM:SS[.ffffff], of the place the text names."""
    fraction = f"REGEXP_REPLACE(SUBSTRING({text}, 21), '[^0-9].*$', '')"
    return (
        f"SUBSTRING({text}, 1, 10) || ' ' || CASE WHEN LENGTH({text}) = 10 THEN '00:00:00' "
        f"WHEN SUBSTRING({text}, 17, 1) = ':' THEN SUBSTRING({text}, 12, 8) "
        f"ELSE SUBSTRING({text}, 12, 5) || ':00' END || CASE WHEN SUBSTRING({text}, 20, 1) = '.' "
        f"THEN '.' || SUBSTRING({fraction} || '00000', 1, 6) ELSE '' END"
    )


def value(column: Column) -> str:
    """Return SQL that casts the plain text; it cannot fail."""
    name = f"plain__{column.name}"
    if column.kind == "integer":
        return f"CAST({name} AS BIGINT) AS {column.name}"
    if column.kind == "decimal":
        return f"CAST({name} AS {EXACT}) AS exact__{column.name}"
    if column.kind == "timestamp":
        time = _in_utc(f"text__{column.name}", f"CAST({name} AS TIMESTAMP)")
        return f"CASE WHEN {name} IS NOT NULL THEN {time} END AS {column.name}"
    return f"text__{column.name} AS {column.name}"


def _in_utc(text: str, time: str) -> str:
    """Return SQL that takes the text's offset, where it has one, from a time."""
    clock = f"SUBSTRING({text}, 12)"
    offset = (
        f"REPLACE(SPLIT_PART({clock}, '+', 2) || SPLIT_PART({clock}, '-', 2), ':', '') || '0000'"
    )
    hours, minutes = (f"CAST(SUBSTRING({offset}, {start}, 2) AS INT)" for start in (1, 3))
    sign = f"CASE WHEN POSITION('+' IN {text}) > 0 THEN -1 ELSE 1 END"
    shift = f"{sign} * ({hours} * 60 + {minutes})"
    is_plain = f"LENGTH({text}) <= 16 OR LENGTH({text}) = 19 AND SUBSTRING({text}, 17, 1) = ':'"
    return f"CASE WHEN {is_plain} THEN {time} ELSE DATEADD(MINUTE, {shift}, {time}) END"


def is_within_years(name: str) -> str:
    """Return SQL that is true where a time in UTC is one that every column takes."""
    first, behind = (
        f"CAST('{year}-01-01 00:00:00' AS TIMESTAMP)" for year in (FIRST_YEAR, LAST_YEAR + 1)
    )
    return f"{name} >= {first} AND {name} < {behind}"


def limits(column: Column) -> tuple[str, str]:
    """Return the least and the greatest number that the column takes."""
    most = "999999999" if column.kind == "integer" else f"{10 ** (column.precision - 2) - 1}.99"
    low = f"-{most}" if column.minimum is None else str(column.minimum)
    return low, most if column.maximum is None else str(column.maximum)


def is_cut(column: Column) -> str:
    """Return SQL that is true where the value is not all that was written."""
    if column.kind == "decimal":
        return f"exact__{column.name} <> {column.name}"
    text = f"text__{column.name}"
    digits = f"REGEXP_REPLACE(SUBSTRING({text}, 27), '[^0-9].*$', '')"
    nanoseconds = f"TRIM(BOTH '0' FROM {digits}) <> ''"
    is_long = f"LENGTH({text}) > 26 AND SUBSTRING({text}, 20, 1) = '.'"
    return f"{column.name} IS NOT NULL AND {is_long} AND {nanoseconds}"
