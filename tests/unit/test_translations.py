"""Translated queries are kept from job to job, and only as long as they are the same."""

import json

import duckdb
import pytest

from src.local_cloud.glue import spark_sql
from src.local_cloud.glue.spark_sql import Translator, translated

QUERY = (
    "SELECT COALESCE(a, '') || '|' || COALESCE(b, '') AS c FROM t WHERE REGEXP_COUNT(a, '^x') > 0"
)


@pytest.fixture
def kept(tmp_path):
    """A file that a first job has left."""
    first = Translator(tmp_path / "new" / "translations.json")
    assert first(QUERY) == translated(QUERY)
    first.save()
    return tmp_path / "new" / "translations.json"


def test_a_second_job_translates_nothing(kept, monkeypatch):
    monkeypatch.setattr(spark_sql, "translated", pytest.fail)
    assert "REGEXP_MATCHES" in Translator(kept)(QUERY)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"queries": 7, "made_by": "x"}', "\0"])
def test_a_file_of_another_version_or_of_anything_else_is_begun_anew(kept, text):
    kept.write_text(text)
    assert Translator(kept)(QUERY) == translated(QUERY)


def test_only_what_the_last_job_used_is_kept(kept):
    second = Translator(kept)
    second("SELECT 2 AS two")
    second.save()
    assert list(json.loads(kept.read_text())["queries"]) == ["SELECT 2 AS two"]


def test_joined_texts_are_what_spark_joins():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT * FROM (VALUES ('x', NULL), ('xy', 'b')) AS v(a, b)"
        )
        assert connection.execute(translated(QUERY)).fetchall() == [("x|",), ("xy|b",)]
        either = "SELECT a || b AS c FROM t ORDER BY a"
        assert connection.execute(translated(either)).fetchall() == [(None,), ("xyb",)]
