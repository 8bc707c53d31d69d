"""The four tables, described once: writers, ETL, loader, checks and docs all read this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCHEMA = "concert_dw"
KEY_MAX_BYTES = 64
# Of the price as it was written, before it is rounded to the column's scale; half a cent up.
_AMOUNT = "ROUND(CAST(quantity AS DECIMAL(6,0)) * exact__unit_price, 2)"

Kind = Literal["key", "text", "integer", "decimal", "timestamp"]


@dataclass(frozen=True)
class Column:
    """One column: its kind, limits and meaning.

    `max_bytes` counts UTF-8 bytes, as Redshift's VARCHAR does. `minimum` and `maximum` are
    inclusive. `fill` is an SQL expression (Spark and Redshift) used where the value is absent.
    """

    name: str
    kind: Kind
    doc: str
    required: bool = False
    max_bytes: int = KEY_MAX_BYTES
    precision: int = 10
    minimum: int | None = None
    maximum: int | None = None
    case: Literal["lower", "upper"] | None = None
    references: str | None = None
    fill: str | None = None

    @property
    def redshift_type(self) -> str:
        """Return the column's type as the warehouse declares it."""
        if self.kind in ("key", "text"):
            return f"VARCHAR({self.max_bytes})"
        if self.kind == "decimal":
            return f"DECIMAL({self.precision},2)"
        return {"integer": "INTEGER", "timestamp": "TIMESTAMP"}[self.kind]


@dataclass(frozen=True)
class RowRule:
    """A law between columns of one row; `violated` is SQL valid in Spark and Redshift."""

    name: str
    violated: str
    doc: str


@dataclass(frozen=True)
class TableSpec:
    """One table: its columns in warehouse order, its key, and the laws of a row."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    rules: tuple[RowRule, ...] = ()

    @property
    def key(self) -> str:
        """Return the name of the key column (always the first)."""
        return self.columns[0].name

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the column names in warehouse order."""
        return tuple(column.name for column in self.columns)

    @property
    def required_names(self) -> tuple[str, ...]:
        """Return the names of the columns every input file must have."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def references(self) -> tuple[tuple[str, str], ...]:
        """Return (column, parent table) for every reference."""
        return tuple((c.name, c.references) for c in self.columns if c.references)


def _key(name: str, doc: str) -> Column:
    return Column(name, "key", doc, required=True)


def _reference(name: str, table: str, doc: str) -> Column:
    return Column(name, "key", doc, required=True, references=table)


ARTISTS = TableSpec(
    "artists",
    "Who plays. One row per artist.",
    (
        _key("artist_id", "Key: an integer or a string of at most 64 bytes."),
        Column("name", "text", "Stage name.", required=True, max_bytes=200),
        Column("genre", "text", "Main genre, lower case.", max_bytes=40, case="lower"),
        Column(
            "popularity",
            "decimal",
            "Popularity before any of these concerts, 0 (unknown) to 100 (superstar).",
            precision=5,
            minimum=0,
            maximum=100,
        ),
        Column("country", "text", "ISO 3166 alpha-2 home country.", max_bytes=2, case="upper"),
    ),
)

VENUES = TableSpec(
    "venues",
    "Where they play. One row per venue.",
    (
        _key("venue_id", "Key: an integer or a string of at most 64 bytes."),
        Column("name", "text", "Name of the venue.", required=True, max_bytes=200),
        Column("city", "text", "City.", required=True, max_bytes=120),
        Column("country", "text", "ISO 3166 alpha-2 country.", max_bytes=2, case="upper"),
        Column(
            "venue_type",
            "text",
            "Class of venue: club, theatre, hall, amphitheatre, arena or stadium.",
            max_bytes=40,
            case="lower",
        ),
        Column(
            "capacity",
            "integer",
            "Most tickets that can be sold for one concert; empty where it is not known.",
            minimum=1,
            maximum=500_000,
        ),
    ),
)

CONCERTS = TableSpec(
    "concerts",
    "One show of one artist at one venue.",
    (
        _key("concert_id", "Key: an integer or a string of at most 64 bytes."),
        _reference("artist_id", "artists", "Who plays."),
        _reference("venue_id", "venues", "Where."),
        Column("starts_at", "timestamp", "Start of the show, UTC.", required=True),
        Column("on_sale_at", "timestamp", "When tickets go on sale, UTC."),
        Column(
            "base_price",
            "decimal",
            "Price of a standard ticket, US dollars.",
            minimum=0,
            maximum=100_000,
        ),
        Column(
            "status",
            "text",
            "completed, on_sale or announced, as of the data set's as-of date.",
            max_bytes=20,
            case="lower",
        ),
        Column(
            "tickets_sold",
            "integer",
            "Tickets sold up to the as-of date: the sum of the concert's sales quantities.",
            minimum=0,
            maximum=500_000,
        ),
    ),
    (RowRule("on_sale_after_start", "on_sale_at > starts_at", "Sales open before the show."),),
)

TICKET_SALES = TableSpec(
    "ticket_sales",
    "A batch of tickets of one tier, sold through one channel at one time.",
    (
        _key("sale_id", "Key: an integer or a string of at most 64 bytes."),
        _reference("concert_id", "concerts", "Which show."),
        Column("purchased_at", "timestamp", "When it was sold, UTC.", required=True),
        Column(
            "quantity",
            "integer",
            "Tickets in the batch.",
            required=True,
            minimum=1,
            maximum=500_000,
        ),
        Column(
            "unit_price",
            "decimal",
            "Price of one ticket, US dollars.",
            required=True,
            minimum=0,
            maximum=100_000,
        ),
        Column(
            "total_amount",
            "decimal",
            "quantity x unit_price, US dollars; computed where absent.",
            precision=14,
            minimum=0,
            fill=_AMOUNT,
        ),
        Column(
            "ticket_tier",
            "text",
            "balcony, standard, premium or vip.",
            max_bytes=20,
            case="lower",
        ),
        Column(
            "sales_channel",
            "text",
            "web, app, box_office or partner.",
            max_bytes=20,
            case="lower",
        ),
    ),
    (
        RowRule(
            "amount_mismatch",
            f"total_amount <> {_AMOUNT}",
            "The amount is quantity x unit price, to the cent.",
        ),
    ),
)

# Parents before children: every loader and check may rely on this order.
TABLES: tuple[TableSpec, ...] = (ARTISTS, VENUES, CONCERTS, TICKET_SALES)
TABLE_BY_NAME = {table.name: table for table in TABLES}
