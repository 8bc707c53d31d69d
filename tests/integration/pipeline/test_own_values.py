"""Values as users' files have them, by both ways, and what the report and the page say of them."""

# ruff: noqa: E501
import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from tests.integration.conftest import HostedScript
from tests.integration.pipeline.test_pipeline import SCHEMA, warehouse
from tests.integration.test_report_page import text_of

FILES = {
    "artists.csv": """artist_id,name,genre,popularity,country
1,Zed first,ROCK,50.005,us
1,Ana second,rock,1,US
2,Dot,N/A,NaN,-
3,Long,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,101,GB
4,,pop,1,US
""",
    "venues.csv": """venue_id,name,city,country,venue_type,capacity
1,Hall,Bonn,DE,hall,1000.0
2,Park,Bonn,DE,,0
3,Barn,Bonn,DE,,
""",
    "concerts.csv": """concert_id,artist_id,venue_id,starts_at,on_sale_at,base_price,status,tickets_sold
1,1.0,1,2025-03-10T20:00:00Z,,10,completed,
1,1,1,2025-03-10 21:00:00,,10,completed,
2,2,2,2025-03-10T20:00:00.123456789+02:00,0001-01-01,10.005,cancelled,
3,3,3,1899-12-31,,,completed,
4,4,1,2025-03-10,,,completed,
5,1,1,0001-01-01,,,completed,
6,1,1,10-MAR-25,,,completed,
7,1,1,2025-03-10T20:00:00+25:00,,,completed,
""",
    "ticket_sales.csv": """sale_id,concert_id,purchased_at,quantity,unit_price,total_amount,ticket_tier,sales_channel
1,1,2025-03-01,3,33.333,100.00,VIP,web
2,1.0,2025-03-20,1.0,10.005,,vip,web
3,2,2025-03-01,5500,24.446545454545454,134456,NULL,web
4,4,2025-03-01,1,10,,vip,web
5,5,2025-03-01,1,10,,vip,web
6,1,2025-03-01,1,10,11,vip,web
7,1,2025-03-01,1.5,10,,vip,web
8,1,2025-03-01,1,10,-10,vip,web
9,1,2025-03-01,1,10,1e20,vip,web
10,1,2025-03-01,1,10,ten,vip,web
""",
}
REJECTED = {  # rule -> keys and the record's parent
    "missing:name": [("artists", "4")],
    "duplicate_key": [("artists", "1"), ("concerts", "1")],
    "orphan:artist_id": [("concerts", "4")],
    "out_of_range:starts_at": [("concerts", "5")],
    "invalid_timestamp:starts_at": [("concerts", "6"), ("concerts", "7")],
    "orphan:concert_id": [("ticket_sales", "4"), ("ticket_sales", "5")],
    "amount_mismatch": [("ticket_sales", "6")],
    "invalid_integer:quantity": [("ticket_sales", "7")],
    "out_of_range:total_amount": [("ticket_sales", "8"), ("ticket_sales", "9")],
}
CHANGED = {
    "artists": {"nullified:genre": 1, "nullified:popularity": 1, "rounded:popularity": 1},
    "venues": {"nullified:capacity": 1},
    "concerts": {"nullified:on_sale_at": 1, "rounded:base_price": 1, "rounded:starts_at": 1},
    "ticket_sales": {"nullified:total_amount": 1, "rounded:unit_price": 3},
}


@pytest.fixture(scope="module", params=["glue", "direct"])
def outcome(request, tmp_path_factory, host):
    """Return the way, the report, the page's text, the warehouse and what the run printed."""
    script = HostedScript(tmp_path_factory.mktemp(request.param), host)
    folder = script.folder / "own"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    done = script.run(
        "--input-dir", str(folder), "--etl", request.param,
        DEMO_MAX_REJECTED_SHARE="1", DEMO_NULL_VALUES="NULL, N/A, NaN,-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    page = text_of((path.parent / "index.html").read_text())
    return request.param, json.loads(path.read_text()), page, warehouse(script), done.stderr


def test_both_ways_load_the_same_values(outcome):
    _, _, _, content, _ = outcome
    assert content["artists"] == [
        ("1", "Zed first", "rock", Decimal("50.01"), "US"),
        ("2", "Dot", None, None, None),
        ("3", "Long", None, None, "GB"),
    ]
    assert [(row[0], row[-1]) for row in content["venues"]] == [
        ("1", 1000),
        ("2", None),
        ("3", None),
    ]
    assert [(row[0], row[1], str(row[3]), row[4], row[5]) for row in content["concerts"]] == [
        ("1", "1", "2025-03-10 20:00:00", None, Decimal("10.00")),
        ("2", "2", "2025-03-10 18:00:00.123456", None, Decimal("10.01")),
        ("3", "3", "1899-12-31 00:00:00", None, None),
    ]
    assert [row[3:7] for row in content["ticket_sales"]] == [
        (3, Decimal("33.33"), Decimal("100.00"), "vip"),
        (1, Decimal("10.00"), Decimal("10.00"), "vip"),
        (1, Decimal("10.01"), Decimal("10.01"), "vip"),
        (5500, Decimal("24.45"), Decimal("134456.00"), None),
    ]


def test_both_ways_reject_the_same_rows_as_they_came(outcome):
    _, _, _, content, _ = outcome
    found = {}
    for table, key, rule, raw in content["rejected"]:
        found.setdefault(rule, []).append((table, key))
        columns = FILES[f"{table}.csv"].splitlines()[0].split(",")
        values = [json.loads(raw)[column] or "" for column in columns]
        assert ",".join(values) in FILES[f"{table}.csv"].splitlines(), raw
    assert found == REJECTED


def test_what_was_changed_is_counted_by_column_and_shown(outcome):
    etl, report, page, _, printed = outcome
    jsonschema.validate(report, SCHEMA)
    loaded = report["steps"]["redshift_load"]["tables"]
    for table, expected in CHANGED.items():
        counted = {name: found["rows"] for name, found in loaded[table]["warnings"].items()}
        assert counted == expected, table
    assert loaded["ticket_sales"]["warnings"]["rounded:unit_price"]["example"] == "1"
    stage = "Glue ETL" if etl == "glue" else "Redshift load"
    (line,) = [t for t in printed.splitlines() if stage in t and "s so far" not in t]
    assert "13 rejected, 3 rounded unit_price, 1 nullified genre, " in line
    assert "Values changed, by column" in page and "unit_price ticket_sales 3 rounded" in page


def test_what_follows_from_others_and_what_is_unusual_is_said(outcome):
    _, report, page, _, _ = outcome
    # Concert 4 and its sale follow from artist 4, a sale from concert 5.
    assert report["data"]["following_rejects"] == [{"records": 3, "roots": 2}]
    assert "3 rows follow from 2:" in page
    unusual = {row["what"]: row["records"] for row in report["data"]["unusual_sales"]}
    assert sorted(unusual.values()) == [1, 1]
    assert all(f"1 {what}" in page for what in unusual)


# -- the sum of a concert's sales ------------------------------------------------------------------

SUMS = {
    "artists.csv": ["artist_id,name", "1,Ana"],
    "venues.csv": ["venue_id,name,city,country,capacity", "1,Hall,Bonn,DE,100"],
    "concerts.csv": ["concert_id,artist_id,venue_id,starts_at,tickets_sold"]
    + [f"{key},1,1,2025-03-10,5" for key in ("1.0", 2, 3, 4, 5, 6)],
    "ticket_sales.csv": ["sale_id,concert_id,purchased_at,quantity,unit_price"],
}
EQUAL, ONE_REJECTED = ["1,1,2025-03-01,5,1"], ["2,2,2025-03-01,2,1", "3,2.0 ,2025-03-01,abc,1"]
DIFFERING = ["4,3,2025-03-01,2,1", "5,4,2025-03-01,6,1", "6,4,2025-03-01,abc,1"]
NAMED = "; ".join(
    f"concert {key} has tickets_sold 5, its sales have {sold}"
    for key, sold in ((3, 2), (4, 6), (5, 0))
)


@pytest.mark.parametrize(
    ("concerts", "sales", "found"),
    [
        (2, EQUAL + ONE_REJECTED, ""),
        (2, [], ""),
        (6, EQUAL + ONE_REJECTED + DIFFERING, f"found 4: {NAMED}\n"),
    ],
    ids=["equal and one rejected", "no sales", "too few, too many, none"],
)
def test_rejected_sales_explain_why_a_concert_has_sold_more(
    hosted, tmp_path, concerts, sales, found
):
    folder = tmp_path / "own"
    folder.mkdir()
    for name, lines in SUMS.items():
        kept = lines[: concerts + 1] if name == "concerts.csv" else lines
        more = sales if name == "ticket_sales.csv" else []
        (folder / name).write_text("\n".join([*kept, *more, ""]))
    done = hosted.run("--input-dir", str(folder), "--etl", "direct", DEMO_MAX_REJECTED_SHARE="1")
    assert done.returncode == (1 if found else 0), done.stderr
    assert found in done.stderr and ("sum_tickets_sold" in done.stderr) == bool(found)
