"""A prediction as a person reads it: figures, what moves it, similar shows, and the price curve."""

from __future__ import annotations

from datetime import datetime

from src.json_object import JsonObject, JsonView

_BAR = 32


def prediction_text(answer: JsonObject) -> str:
    """Return the lines of an answer."""
    concert, found = answer["concert"], answer["prediction"]
    lines = [
        _title(concert),
        f"  tickets     {found['tickets']:,.0f} of {float(concert['capacity']):,.0f}, "
        f"between {found['low']:,.0f} and {found['high']:,.0f}",
        f"  confidence  {found['label']}: {found['confidence']:.0%} to be within 20%",
        f"  sell-out    {found['sell_out']:.0%}; "
        f"a venue without a limit would sell {found['demand']:,.0f}",
        "",
        "  moved most by",
        *(f"    {one['factor']:<28}{one['tickets']:>+10,.0f} tickets"
          for one in answer["moved_by"]),
        "",
        "  similar past shows",
        *(_show(show) for show in answer["similar_shows"]),
        *(f"  note: {note}" for note in found["notes"]),
    ]  # fmt: skip
    if "price_curve" in answer:
        lines += ["", *_curve(answer["price_curve"], answer["prices_seen"])]
    return "\n".join(lines)


def _title(concert: JsonView) -> str:
    start = datetime.fromisoformat(concert["starts_at"])
    price = f", price {float(concert['base_price']):g}" if concert.get("base_price") else ""
    place = f" in {concert['city']}" if concert.get("city") else ""
    return f"{concert['artist']} at {concert['venue']}{place}, {start:%A %Y-%m-%d %H:%M}{price}"


def _show(show: JsonView) -> str:
    day = show["starts_at"][:10]
    return (
        f"    {day}  {show['artist']} at {show['venue']}: {show['tickets']:,} of "
        f"{show['capacity']:,}, price {show['base_price']:g}"
    )


def _curve(curve: list[JsonObject], seen: list[float]) -> list[str]:
    most = max(one["tickets"] for one in curve) or 1.0
    lines = [f"  {'price':>8}{'tickets':>10}  {'':<{_BAR}}{'revenue':>14}{'sell-out':>10}"]
    for one in curve:
        bar = "#" * round(_BAR * one["tickets"] / most)
        mark = "" if one["is_seen"] else "  *"
        lines.append(
            f"  {one['price']:>8,.2f}{one['tickets']:>10,.0f}  {bar:<{_BAR}}"
            f"{one['revenue']:>14,.0f}{one['sell_out']:>10.0%}{mark}"
        )
    if not all(one["is_seen"] for one in curve):
        lines.append(f"  * nearly no concert had it: they cost {seen[0]:g} to {seen[1]:g}")
    return lines
