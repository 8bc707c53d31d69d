"""Random texts for every kind of column, and what Python reads in them."""

# ruff: noqa: E501
import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

CENT = Decimal("0.01")
SPACES = [" ", "\t", "\n", "\r", "\x0b", "\f", "\x85", "\xa0", "\u2003", "\u2028", "\u3000"]
ABSENT = {"", "\\N"}
NUMBERS = [
    "1",
    "0",
    "-0",
    "+1",
    "-1",
    "01",
    "1.0",
    "1.",
    ".5",
    "-.5",
    "+",
    "-",
    ".",
    "1e3",
    "1E+3",
    "1e-3",
    "1.5e2",
    "e5",
    "1e",
    "1e+",
    "1e99",
    "1e-99",
    "1e100",
    "12.5",
    "0.005",
    "-0.004",
    "0.015",
    "10.005",
    "100.004",
    "100.00000000000000000001",
    "99.995",
    "99.9949999999999999999999",
    "1,5",
    "1_000",
    "0x10",
    "٣",
    "１２",
    "NaN",
    "Infinity",
    "-inf",
    "99999999999999999999",
    "100000000000000000000",
    "123456789012345678",
    "1234567890123456789",
    "999999999999.99",
    "999999999999.995",
    "1000000000000",
    "24.446545454545454",
    "33.333",
    "1e-07",
    "0.30000000000000004",
    "500000",
    "500001",
    "500000.0",
    "1.0000000000000000000000000",
    "NULL",
    "N/A",
    "-",
    "\\N",
    "$5",
    "5€",
    "5-",
    "--5",
    "1",
    "1.2.3",
    "1e5e5",
    "1e1.5",
]
TIMES = ["2025-03-10", "2025-03-10T20:00", "2025-03-10T20:00:00Z", "2025-03-10T20:00:00.1234567Z", "2025-02-29", "2024-02-29", "1900-02-29", "2000-02-29", "2100-02-29", "2025-04-31", "2025-12-31T23:59:59.999999999", "2025-03-10T24:00:00", "2016-12-31T23:59:60", "10/03/2025", "10-MAR-25", "2025-1-1", "2025-03-10T20:00:00+25:00", "2025-03-10T20:00:00+14:00", "2025-03-10T20:00:00-14:00", "2025-03-10T20:00:00+14:01", "2025-03-10T20:00:00+05", "2025-03-10T20:00+0530", "2025-03-10T20:00:00-05:30", "2025-03-10T20:00:00.5+05:45", "2025-03-10t20:00:00z", "0001-01-01", "0000-01-01", "1799-12-31", "1800-01-01", "2199-12-31T23:59:59-14:00", "2199-12-31T19:00:00-05:00", "2199-12-31T18:59:59.999999-05", "2200-01-01T04:59:00+05:00", "2200-01-01T05:00:00+05:00", "1799-12-31T19:00:00-05:00", "1799-12-31T18:59:59.9-05:00", "1800-01-01T04:59:00+05:00", "1800-01-01T05:00+05:00", "0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00", "2200-01-01", "9999-12-31", "1883-11-18T12:00:00", "1941-06-01", "now", "infinity", "epoch", "1741636800", "20250310", "2025-W10-1", "0044-03-15BC", "2025-03-10T20:00:00.", "2025-03-10T20:00:00.1234560", "2025-03-10T20:00:00.1234560001", "2025-03-10T20", "2025-00-10", "2025-03-00"] + ["2025-03-10 20:00:00", "2025-03-10 20:00:00 UTC", "2025-03-10  20:00:00",
               "Mar 10 2025 8:00PM", "0044-03-15 BC", "2025-03-10 20:00 +05:00"]  # fmt: skip
WORDS = ["rock", "ROCK", "\xc9milie", "\u0130stanbul", "stra\xdfe", "\u03a3\u03a3", "\u0416\u0410",
         "x" * 41, "\xe9" * 21, "\U0001f3b8" * 10, "a\"b\\c", "a\tb", "a\x01b", "\x1f", "'", "NULL",
         "\\N", "", " ", "{\"a\": 1}", "us", "GBR", "D\xc9", "%s", "--", "x" * 5000, "7.0", "07.0",
         "1.00", "0.0", "-7.0", "\u01c5", "\u1e9e", "\ufb01"]  # fmt: skip
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)([ T](\d\d:\d\d)(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII
)


def tables(seed):
    """Return the records of four tables: a value of each column kind a row, the rest good."""
    random = Random(seed)

    def text(values, alphabet):
        base = random.choice(values)
        if random.random() < 0.3:  # one character more, less or another
            place = random.randrange(len(base) + 1)
            base = (
                base[:place] + random.choice([*alphabet, ""]) + base[place + random.randrange(2) :]
            )
        if random.random() < 0.3:
            base = random.choice(SPACES) + base + random.choice([*SPACES, ""])
        return base

    def number():
        if random.random() < 0.3:
            digits = "".join(random.choice("0123456789") for _ in range(random.randrange(1, 26)))
            place = random.randrange(len(digits) + 1)
            return f"{random.choice(['', '-', '+'])}{digits[:place]}.{digits[place:]}"
        return text(NUMBERS, "0123456789.eE+- ")

    def time():
        return text(TIMES, "0123456789:-+.TZ ")

    def word():
        return text(WORDS, "aZ\xe9\xc9. ")

    rows = range(400)
    artists = [{"artist_id": f"a{i}", "name": word(), "genre": word(), "popularity": number(),
                "country": word()} for i in rows]  # fmt: skip
    artists += [{"artist_id": word(), "name": f"n{i}"} for i in range(100)]
    artists += [{"artist_id": "good", "name": "Good"}]
    venues = [{"venue_id": f"v{i}", "name": "V", "city": "C", "capacity": number()} for i in rows]
    venues += [{"venue_id": "good", "name": "V", "city": "C"}]
    concerts = [{"concert_id": f"c{i}", "artist_id": "good", "venue_id": "good",
                 "starts_at": time(), "on_sale_at": None} for i in rows]  # fmt: skip
    concerts += [{"concert_id": f"d{i}", "artist_id": random.choice(["good", word(), f"a{i}"]),
                  "venue_id": "good", "starts_at": "2199-01-01", "on_sale_at": time(),
                  "base_price": number(), "tickets_sold": number()} for i in rows]  # fmt: skip
    concerts += [{"concert_id": "good", "artist_id": "good", "venue_id": "good",
                  "starts_at": "2025-01-01"}]  # fmt: skip
    sales = []
    for i in rows:
        quantity, price = str(random.randrange(1, 9000)), number()
        if random.random() < 0.7:  # a true batch: its average price is no whole cent
            amount = Decimal(random.randrange(1, 10**7)) / 100
            price = str((amount / int(quantity)).quantize(Decimal(10) ** -random.randrange(2, 19)))
            sales.append({"quantity": quantity, "unit_price": price, "total_amount": str(amount)})
        else:
            total = random.choice([None, number()])
            sales.append({"quantity": number(), "unit_price": price, "total_amount": total})
        sales[-1] |= {"purchased_at": time() if random.random() < 0.2 else "2024-12-01"}
        sales[-1] = {
            "sale_id": f"s{i}",
            "concert_id": random.choice(["good", f"c{i}"]),
            **sales[-1],
        }
    return {"artists": artists, "venues": venues, "concerts": concerts, "ticket_sales": sales}


def tidied(text):
    text = (text or "").strip("".join(map(chr, range(9, 14))) + " \x85\xa0\u1680\u2028\u2029\u202f"
                              "\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))  # fmt: skip
    return None if text in ABSENT else text


def integer(text):
    """Return the integer that a text stands for, else None."""
    text = tidied(text)
    return int(text.split(".")[0]) if text and _INTEGER.fullmatch(text) else None


def amount(text):
    """Return the exact decimal that a text stands for, else None."""
    text = tidied(text)
    return Decimal(text) if text and _DECIMAL.fullmatch(text) else None


def cents(number):
    return number.quantize(CENT, ROUND_HALF_UP)


def moment(text):
    """Return the time in UTC that a text stands for, else None."""
    found = _TIME.fullmatch(tidied(text) or "")
    if not found or not "1799" <= found[1][:4] <= "2200":
        return None
    day, _, clock, seconds, fraction, offset, _ = found.groups()
    try:
        local = datetime.fromisoformat(f"{day}T{clock or '00:00'}{(seconds or ':00')[:3]}")
    except ValueError:
        return None
    local += timedelta(microseconds=int(((fraction or ".")[1:] + "000000")[:6]))
    if offset and offset != "Z":
        digits = offset[1:].replace(":", "").ljust(4, "0")
        hours, minutes = int(digits[:2]), int(digits[2:])
        if minutes > 59 or hours * 60 + minutes > 14 * 60:
            return None
        shift = timedelta(hours=hours, minutes=minutes)
        local += -shift if offset[0] == "+" else shift
    return local if 1800 <= local.year <= 2199 else None


def within(number, low, high):
    return number if number is not None and low <= number <= high else None


def compare(found, raw):
    """Check every accepted value, and that what Python reads was accepted."""
    rows = {name: {row[f"{name[:-1]}_id"]: row for row in found[name]}
            for name in ("artists", "venues", "concerts")}  # fmt: skip
    rows["ticket_sales"] = {row["sale_id"]: row for row in found["ticket_sales"]}
    for record in raw["artists"]:
        if (row := rows["artists"].get(record["artist_id"])) and "popularity" in record:
            exact = within(amount(record["popularity"]), 0, 100)
            assert row["popularity"] == (None if exact is None else cents(exact)), record
    for record in raw["venues"]:
        expected = within(integer(record.get("capacity")), 1, 500_000)
        assert rows["venues"][record["venue_id"]]["capacity"] == expected, record
    for record in raw["concerts"]:
        row, starts = rows["concerts"].get(record["concert_id"]), moment(record["starts_at"])
        if row is not None:
            assert row["starts_at"] == starts, record
        elif record["concert_id"].startswith("c"):
            assert starts is None, record
    for record in raw["ticket_sales"]:
        row = rows["ticket_sales"].get(record["sale_id"])
        quantity = within(integer(record["quantity"]), 1, 500_000)
        price = within(amount(record["unit_price"]), 0, 100_000)
        total = within(amount(record["total_amount"]), 0, Decimal("999999999999.99"))
        is_good = None not in (quantity, price, moment(record["purchased_at"]))
        if is_good:
            true = cents(quantity * price.quantize(Decimal("1e-18")))
            is_good = total is None or cents(total) == true
        if row is not None:
            assert is_good, record
            assert (row["quantity"], row["unit_price"], row["total_amount"]) == (
                quantity, cents(price), true), record  # fmt: skip
        elif record["concert_id"] == "good":
            assert not is_good, record
