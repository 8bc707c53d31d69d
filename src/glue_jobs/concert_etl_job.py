"""Clean the raw concert data: a PySpark job for AWS Glue that imports nothing of this project.

    --tables       JSON list of table descriptions (see src/domain/tables.py), parents first
    --input        JSON object: table name -> list of raw files or folders
    --format       json, csv or parquet
    --output       folder for the clean tables, one folder of Parquet each
    --quarantine   folder for rejected rows with their reason
    --summary      folder for the counts per table and rule, as JSON Lines

Every raw row is either written, cleaned, to its table or to the quarantine with the first rule
it breaks, in this order: its own columns, laws between its columns, its key being taken, its
references. Text is trimmed and its letter case normalised first, so that untidy rows survive.
"""

import argparse
import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

# In character classes and without backslashes: SQL text, Java and RE2 then all agree.
SPACE = "[ \t\r\n\f]"
INTEGER = "^[+-]?[0-9]{1,18}([.]0*)?$"
DECIMAL = "^[+-]?([0-9]{1,20}([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$"
TIMESTAMP = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    "([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
QUARANTINED_CHARACTERS = 16_000  # at most 64,000 bytes: a Redshift VARCHAR holds 65,535
TEXT = "text__"  # prefix of a column's text beside its value


def read_raw(spark, paths, raw_format, table):
    """Read a table's files with every column as text; columns the files lack are null."""
    names = [column["name"] for column in table["columns"]]
    reader = spark.read
    if raw_format == "parquet":
        found = reader.parquet(*paths)
        present = set(found.columns)
        return found.select(
            *[(F.col(n) if n in present else F.lit(None)).cast("string").alias(n) for n in names]
        )
    schema = StructType([StructField(name, StringType(), True) for name in names])
    if raw_format == "csv":
        # By header, not by position: a file may order or omit columns as it likes.
        found = reader.option("header", True).option("escape", '"').option("multiLine", True)
        found = found.csv(paths)
        present = set(found.columns)
        return found.select(
            *[(F.col(n) if n in present else F.lit(None)).cast("string").alias(n) for n in names]
        )
    return reader.schema(schema).json(paths)


def tidy(column):
    """Return SQL for the column's text: trimmed, in its letter case, empty as null."""
    trimmed = f"regexp_replace({column['name']}, '^{SPACE}+|{SPACE}+$', '')"
    if column["case"]:
        trimmed = f"{column['case']}({trimmed})"
    return f"nullif({trimmed}, '')"


def keep_text(frame, table):
    """Keep each column as it came and as tidy text, and the whole record as JSON."""
    names = [column["name"] for column in table["columns"]]
    record = F.to_json(F.struct(*[F.col(n) for n in names]), {"ignoreNullFields": "false"})
    texts = [F.expr(tidy(column)).alias(TEXT + column["name"]) for column in table["columns"]]
    return frame.select(*[F.col(n) for n in names], *texts, record.alias("raw_record"))


def value(column):
    """Return SQL that casts the column's text to its type; null where it cannot be cast."""
    text = TEXT + column["name"]
    if column["kind"] == "integer":
        # Through a wide decimal: "12.0" is 12, and what is too large stays comparable.
        whole = f"CAST(CASE WHEN {text} RLIKE '{INTEGER}' THEN {text} END AS decimal(20,0))"
        return f"CAST({whole} AS bigint)"
    if column["kind"] == "decimal":
        return f"CAST(CASE WHEN {text} RLIKE '{DECIMAL}' THEN {text} END AS decimal(38,2))"
    if column["kind"] == "timestamp":
        return f"try_cast(CASE WHEN {text} RLIKE '{TIMESTAMP}' THEN {text} END AS timestamp)"
    return text


def parse(frame, table):
    """Replace every column by its typed value; add whether the row was untidy."""
    names = [column["name"] for column in table["columns"]]
    changed = " OR ".join(f"coalesce({n} <> {TEXT}{n}, false)" for n in names)
    return frame.select(
        *[F.col(TEXT + n) for n in names],
        F.col("raw_record"),
        F.expr(changed).alias("untidy"),
        *[F.expr(value(column)).alias(column["name"]) for column in table["columns"]],
    )


def column_rules(column):
    """Return (rule, SQL that is true where it is broken) for one column, most basic first."""
    name, text = column["name"], TEXT + column["name"]
    rules = []
    if column["required"]:
        rules.append((f"missing:{name}", f"{text} IS NULL"))
    if column["kind"] in ("key", "text"):
        rules.append((f"too_long:{name}", f"bit_length({text}) > {8 * column['max_bytes']}"))
        return rules
    rules.append((f"invalid_{column['kind']}:{name}", f"{text} IS NOT NULL AND {name} IS NULL"))
    if column["kind"] in ("integer", "decimal"):
        limit = 10 ** (column["precision"] - 2) if column["kind"] == "decimal" else 10**9
        low = column["minimum"] if column["minimum"] is not None else 1 - limit
        high = column["maximum"] if column["maximum"] is not None else limit - 1
        rules.append((f"out_of_range:{name}", f"{name} < {low} OR {name} > {high}"))
    return rules


def judge(frame, table):
    """Add `rule`, the first law the row breaks by itself, or null; fill in computed columns."""
    rules = [rule for column in table["columns"] for rule in column_rules(column)]
    rules += [(rule["name"], rule["violated"]) for rule in table["rules"]]
    cases = " ".join(f"WHEN {broken} THEN '{name}'" for name, broken in rules)
    filled = {
        c["name"]: f"CASE WHEN {TEXT}{c['name']} IS NULL THEN CAST({c['fill']} AS decimal(38,2)) "
        f"ELSE {c['name']} END"
        for c in table["columns"]
        if c["fill"]
    }
    values = [F.expr(filled.get(c["name"], c["name"])).alias(c["name"]) for c in table["columns"]]
    key = TEXT + table["key"]
    return frame.select(
        F.col(key),
        F.col("raw_record"),
        F.col("untidy"),
        *values,
        F.expr(f"CASE {cases} END").alias("rule"),
    )


def reject_duplicates(frame, table):
    """Of the good rows with one key keep one, the first by its record's text."""
    key = TEXT + table["key"]
    nth = f"row_number() OVER (PARTITION BY rule, {key} ORDER BY untidy, raw_record)"
    verdict = f"CASE WHEN rule IS NULL AND {nth} > 1 THEN 'duplicate_key' ELSE rule END"
    others = [F.col(name) for name in frame.columns if name != "rule"]
    return frame.select(*others, F.expr(verdict).alias("rule"))


def reject_orphans(frame, table, clean):
    """Reject rows whose parent was not accepted."""
    references = [(c["name"], c["references"]) for c in table["columns"] if c["references"]]
    if not references:
        return frame
    others = [F.col(name) for name in frame.columns if name != "rule"]
    cases = "WHEN rule IS NOT NULL THEN rule"
    for name, parent in references:
        keys = clean[parent].select(F.col(clean[parent].columns[0]).alias(f"found__{name}"))
        frame = frame.join(keys, F.col(name) == F.col(f"found__{name}"), "left")
        cases += f" WHEN found__{name} IS NULL THEN 'orphan:{name}'"
    return frame.select(*others, F.expr(f"CASE {cases} END").alias("rule"))


def final_columns(table):
    """Return the clean columns in their warehouse types."""
    types = {"integer": "int", "timestamp": "timestamp", "key": "string", "text": "string"}
    return [
        F.col(c["name"])
        .cast(f"decimal({c['precision']},2)" if c["kind"] == "decimal" else types[c["kind"]])
        .alias(c["name"])
        for c in table["columns"]
    ]


def clean_table(spark, table, arguments, clean):
    """Clean one table; returns its accepted rows and its counts."""
    name = table["name"]
    raw = read_raw(spark, arguments["input"][name], arguments["format"], table)
    judge(parse(keep_text(raw, table), table), table).createOrReplaceTempView(f"judged_{name}")
    frame = spark.table(f"judged_{name}")
    frame = reject_duplicates(frame, table)
    frame = reject_orphans(frame, table, clean).cache()

    accepted = frame.where(F.col("rule").isNull()).select(*final_columns(table))
    accepted.write.mode("overwrite").parquet(f"{arguments['output']}/{name}")
    rejected = frame.where(F.col("rule").isNotNull()).select(
        F.lit(name).alias("table_name"),
        F.expr(f"substring({TEXT}{table['key']}, 1, {QUARANTINED_CHARACTERS})").alias("record_key"),
        F.col("rule"),
        F.expr(f"substring(raw_record, 1, {QUARANTINED_CHARACTERS})").alias("raw_record"),
    )
    rejected.write.mode("overwrite").parquet(f"{arguments['quarantine']}/{name}")
    counts = (
        frame.groupBy(F.coalesce(F.col("rule"), F.lit("accepted")).alias("rule"))
        .agg(F.count(F.lit(1)).alias("n"), F.sum(F.col("untidy").cast("int")).alias("untidy"))
        .collect()
    )
    rows = [(name, row["rule"], int(row["n"]), int(row["untidy"])) for row in counts]
    return spark.read.parquet(f"{arguments['output']}/{name}"), rows


def main(argv):
    """Run the job; a failure is an exception, which Glue reports as FAILED."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("tables", "input", "format", "output", "quarantine", "summary"):
        parser.add_argument(f"--{option}", required=True)
    known, _ = parser.parse_known_args(argv[1:])  # Glue adds arguments of its own
    arguments = vars(known)
    tables = json.loads(arguments["tables"])
    arguments["input"] = json.loads(arguments["input"])

    spark = SparkSession.builder.appName("concert-etl").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    clean, counts = {}, []
    for table in tables:
        clean[table["name"]], rows = clean_table(spark, table, arguments, clean)
        counts += rows
    summary = spark.createDataFrame(counts, ["table_name", "rule", "rows", "untidy"])
    summary.coalesce(1).write.mode("overwrite").json(arguments["summary"])


if __name__ == "__main__":
    main(sys.argv)
