"""What cleaning changed, in a line."""

import pytest

from src.reporting.changed_values import changed_values, in_words


def counted(**rows):
    return {name.replace("__", ":"): {"rows": n, "example": "k"} for name, n in rows.items()}


@pytest.mark.parametrize(
    ("warnings", "words"),
    [
        ({}, ""),
        ({"artists": {}}, ""),
        ({"artists": counted(nullified__genre=2),
          "ticket_sales": counted(rounded__unit_price=3000)},
         ", 3,000 rounded unit_price, 2 nullified genre"),
        ({"artists": counted(a__a=5, a__b=4, a__c=3, a__d=2, a__e=1)},
         ", 5 a a, 4 a b, 3 a c, 3 more changed"),
    ],
)  # fmt: skip
def test_the_line_names_the_most_frequent_and_counts_the_rest(warnings, words):
    assert in_words(warnings) == words


def test_each_change_names_its_column_and_one_row():
    assert changed_values({"artists": counted(nullified__genre=2)}) == [
        {"table": "artists", "column": "genre", "change": "nullified", "rows": 2, "example": "k"}
    ]
