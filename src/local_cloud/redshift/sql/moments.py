"""Functions of dates and times: Redshift's parts, differences and sums."""

from __future__ import annotations

from sqlglot import exp

from src.local_cloud.redshift.sql.building import call

# Date parts as PostgreSQL names them, and Redshift's other spellings of each.
_SPELLINGS = {
    "millennium": "millennia mil mils", "century": "centuries c cent cents",
    "decade": "decades dec decs", "year": "years y yr yrs", "quarter": "quarters qtr qtrs",
    "month": "months mon mons", "week": "weeks w", "day": "days d", "hour": "hours h hr hrs",
    "minute": "minutes m min mins", "second": "seconds s sec secs",
    "milliseconds": "millisecond ms msec msecs msecond mseconds millisec millisecs millisecon",
    "microseconds": "microsecond microsec microsecs us usec usecs usecond useconds",
    "dow": "dayofweek dw weekday", "doy": "dayofyear dy yearday", "epoch": "",
}  # fmt: skip
PARTS = {
    spelling.upper(): part
    for part, others in _SPELLINGS.items()
    for spelling in (part, *others.split())
}


def _part(node: exp.Expression | None, otherwise: str = "day") -> str:
    name = (node.name if node is not None else otherwise).upper()
    return PARTS.get(name, name.lower())


def timestamp(node: exp.Expression) -> exp.Expression:
    """Return a moment as a TIMESTAMP."""
    return exp.cast(node, "timestamp")


def _moment(node: exp.Expression) -> exp.Expression:
    """Return a moment of any type as a timestamp; that of a TIME is of a day alike for all."""
    return timestamp(node) if node.is_string else call("redshift_local.moment", node)


def datediff(node: exp.Expression) -> exp.Expression:
    """Count the boundaries between two moments, as Redshift does; PostgreSQL's AGE does not."""
    unit = exp.Literal.string(_part(node.args.get("unit")))
    early, late = _moment(node.expression), _moment(node.this)
    return call("redshift_local.datediff", unit, early, late)


def dateadd(node: exp.Expression) -> exp.Expression:
    """Add intervals in place: a function PostgreSQL cannot inline would cost joins dearly."""
    unit, step = _part(node.args.get("unit")), 1
    if unit == "quarter":
        unit, step = "month", 3
    one = exp.Interval(this=exp.Literal.string(str(step)), unit=exp.var(unit))
    amount = exp.Mul(this=exp.Paren(this=node.expression), expression=one)
    moment = (
        timestamp(node.this) if node.this.is_string else call("redshift_local.added_to", node.this)
    )
    return exp.Paren(this=exp.Add(this=moment, expression=amount))


def now(node: exp.Expression) -> exp.Expression:
    """Return the call of GETDATE or SYSDATE."""
    return call("pg_catalog.sysdate" if node.args.get("sysdate") else "pg_catalog.getdate")


def extract(node: exp.Expression) -> exp.Expression:
    """EXTRACT is whole; of seconds and their fractions it has the three digits of its part."""
    part = _part(node.this)
    node.set("this", exp.var(part))
    found: exp.Expression = call("TRUNC", node.copy())
    if part in ("milliseconds", "microseconds"):
        found = exp.Mod(this=found, expression=exp.Literal.number(1000))
    return exp.cast(found, "bigint" if part == "epoch" else "int")


def date_part(given: list[exp.Expression]) -> exp.Expression:
    """DATE_PART has the seconds with all their fractions."""
    part = _part(given[0])
    found = exp.Extract(this=exp.var(part), expression=given[1])
    if part == "second":
        return found
    return exp.cast(found, "double" if part == "epoch" else "int")


def date_trunc(node: exp.Expression) -> exp.Expression:
    """Cut a moment to a part, in any of its spellings."""
    unit, moment = exp.Literal.string(_part(node.args.get("unit"))), node.this
    if isinstance(moment, exp.Literal):
        moment = timestamp(moment)
    return call("DATE_TRUNC", unit, moment)


def months_between(node: exp.Expression) -> exp.Expression:
    """Return the call that counts months with a fraction."""
    late, early = timestamp(node.this), timestamp(node.expression)
    return call("pg_catalog.months_between", late, early)
