"""Clean the raw concert data: a PySpark job for AWS Glue that imports nothing of this project.

    --tables       JSON list of table descriptions (see src/domain/tables.py), parents first
    --input        JSON object: table name -> list of raw files or folders
    --format       json, csv or parquet
    --output       folder for the clean tables, one folder of Parquet each
    --quarantine   folder for rejected rows with their reason
    --summary      folder for the counts per table and rule, as JSON Lines
    --files        JSON object: table name -> how many files to write, where it is more than one
    --known        JSON object: table name -> Parquet files with the keys that rows may refer to
                   besides those of this run's rows: what the warehouse holds before a merge

Every raw row is either written, cleaned, to its table or to the quarantine with the first rule
it breaks, in this order: its own columns, laws between its columns, its key being taken, its
references. Text is trimmed and its letter case normalised first, so that untidy rows survive.

Each step is one Spark SQL view over the one before: raw -> tidy -> typed -> judged -> checked.
"""

import argparse
import json
import sys

from pyspark.sql import SparkSession

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


def names_of(table):
    """Return the table's column names."""
    return [column["name"] for column in table["columns"]]


def view(spark, name, query):
    """Name a query, for the next step to read."""
    spark.sql(query).createOrReplaceTempView(name)


def read_raw(spark, paths, raw_format, table):
    """Make view raw_TABLE: every column as text, columns the files lack as null."""
    names = names_of(table)
    if raw_format == "json":
        frame = spark.read.schema(", ".join(f"{name} string" for name in names)).json(paths)
    elif raw_format == "csv":
        # By header, not by position: a file may order or omit columns as it likes.
        reader = spark.read.option("header", True).option("escape", '"')
        frame = reader.option("multiLine", True).csv(paths)
    else:
        frame = spark.read.parquet(*paths)
    present = set(frame.columns)
    frame.createOrReplaceTempView(f"files_{table['name']}")
    columns = ", ".join(
        f"CAST({name if name in present else 'NULL'} AS string) AS {name}" for name in names
    )
    view(spark, f"raw_{table['name']}", f"SELECT {columns} FROM files_{table['name']}")


def tidy(column):
    """Return SQL for the column's text: trimmed, in its letter case, empty as null."""
    trimmed = f"regexp_replace({column['name']}, '^{SPACE}+|{SPACE}+$', '')"
    if column["case"]:
        trimmed = f"{column['case']}({trimmed})"
    return f"nullif({trimmed}, '')"


def keep_text(spark, table):
    """Make view tidy_TABLE: each column as it came and tidied, and the record as JSON."""
    names = ", ".join(names_of(table))
    texts = ", ".join(f"{tidy(c)} AS {TEXT}{c['name']}" for c in table["columns"])
    record = f"to_json(struct({names})) AS raw_record"
    view(
        spark,
        f"tidy_{table['name']}",
        f"SELECT {names}, {texts}, {record} FROM raw_{table['name']}",
    )


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


def parse(spark, table):
    """Make view typed_TABLE: every column's value beside its text, and whether it was untidy."""
    names = names_of(table)
    texts = ", ".join(TEXT + name for name in names)
    values = ", ".join(f"{value(c)} AS {c['name']}" for c in table["columns"])
    untidy = " OR ".join(f"coalesce({name} <> {TEXT}{name}, false)" for name in names)
    view(
        spark,
        f"typed_{table['name']}",
        f"SELECT {texts}, raw_record, {untidy} AS untidy, {values} FROM tidy_{table['name']}",
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


def filled(column):
    """Return SQL for the column's value, computed by its formula where it is absent."""
    name = column["name"]
    if not column["fill"]:
        return name
    formula = f"CAST({column['fill']} AS decimal(38,2))"
    return f"CASE WHEN {TEXT}{name} IS NULL THEN {formula} ELSE {name} END AS {name}"


def judge(spark, table):
    """Make view judged_TABLE: `rule` is the first law the row breaks by itself, or null."""
    rules = [rule for column in table["columns"] for rule in column_rules(column)]
    rules += [(rule["name"], rule["violated"]) for rule in table["rules"]]
    cases = " ".join(f"WHEN {broken} THEN '{name}'" for name, broken in rules)
    values = ", ".join(filled(column) for column in table["columns"])
    view(
        spark,
        f"judged_{table['name']}",
        f"SELECT {TEXT}{table['key']} AS record_key, raw_record, untidy, {values}, "
        f"CASE {cases} END AS rule FROM typed_{table['name']}",
    )


def check(spark, table):
    """Make view checked_TABLE: of the good rows with one key one stays, and only with parents.

    The first by its record's text stays. Parents are the accepted rows of other tables.
    """
    name = table["name"]
    columns = ", ".join(f"j.{column}" for column in names_of(table))
    nth = "row_number() OVER (PARTITION BY j.rule, j.record_key ORDER BY j.untidy, j.raw_record)"
    joins, cases = "", ""
    for column in table["columns"]:
        if column["references"]:
            parent, alias = column["references"], f"parent_{column['name']}"
            # A reference has the name of its parent's key.
            pair = f"{alias}.{column['name']} = n.{column['name']}"
            joins += f" LEFT JOIN accepted_{parent} AS {alias} ON {pair}"
            cases += f" WHEN {alias}.{column['name']} IS NULL THEN 'orphan:{column['name']}'"
    numbered = (
        f"SELECT j.record_key, j.raw_record, j.untidy, j.rule, {columns}, {nth} AS nth "
        f"FROM judged_{name} AS j"
    )
    final = ", ".join(f"n.{column}" for column in names_of(table))
    checked = spark.sql(
        f"SELECT n.record_key, n.raw_record, n.untidy, {final}, CASE WHEN n.rule IS NOT NULL "
        f"THEN n.rule WHEN n.nth > 1 THEN 'duplicate_key'{cases} END AS rule "
        f"FROM ({numbered}) AS n{joins}"
    ).cache()
    checked.createOrReplaceTempView(f"checked_{name}")


def final_value(column):
    """Return SQL for the column in its warehouse type."""
    types = {"integer": "int", "timestamp": "timestamp", "key": "string", "text": "string"}
    kind = types.get(column["kind"], f"decimal({column['precision']},2)")
    return f"CAST({column['name']} AS {kind}) AS {column['name']}"


def clean_table(spark, table, arguments):
    """Clean one table and write its rows; returns its counts by rule."""
    name = table["name"]
    read_raw(spark, arguments["input"][name], arguments["format"], table)
    for step in (keep_text, parse, judge, check):
        step(spark, table)
    values = ", ".join(final_value(column) for column in table["columns"])
    accepted = spark.sql(f"SELECT {values} FROM checked_{name} WHERE rule IS NULL")
    files = arguments["files"].get(name, 1)
    if files > 1:  # so that each slice of the warehouse gets as many as any other
        accepted = accepted.repartition(files)
    accepted.write.mode("overwrite").parquet(f"{arguments['output']}/{name}")
    rejected = spark.sql(
        f"SELECT '{name}' AS table_name, "
        f"substring(record_key, 1, {QUARANTINED_CHARACTERS}) AS record_key, rule, "
        f"substring(raw_record, 1, {QUARANTINED_CHARACTERS}) AS raw_record "
        f"FROM checked_{name} WHERE rule IS NOT NULL"
    )
    rejected.write.mode("overwrite").parquet(f"{arguments['quarantine']}/{name}")
    keys = f"SELECT {table['key']} FROM checked_{name} WHERE rule IS NULL"
    if name in arguments["known"]:
        spark.read.parquet(*arguments["known"][name]).createOrReplaceTempView(f"known_{name}")
        keys += f" UNION SELECT {table['key']} FROM known_{name}"
    view(spark, f"accepted_{name}", keys)
    counts = spark.sql(
        "SELECT coalesce(rule, 'accepted') AS rule, count(*) AS n, "
        f"sum(CAST(untidy AS int)) AS untidy FROM checked_{name} "
        "GROUP BY coalesce(rule, 'accepted')"
    ).collect()
    return [(name, row["rule"], int(row["n"]), int(row["untidy"])) for row in counts]


def main(argv):
    """Run the job; a failure is an exception, which Glue reports as FAILED."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("tables", "input", "format", "output", "quarantine", "summary"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("files", "known"):
        parser.add_argument(f"--{option}", default="{}")
    known, _ = parser.parse_known_args(argv[1:])  # Glue adds arguments of its own
    arguments = vars(known)
    for option in ("input", "files", "known"):
        arguments[option] = json.loads(arguments[option])

    spark = SparkSession.builder.appName("concert-etl").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    spark.conf.set("spark.sql.jsonGenerator.ignoreNullFields", "false")
    counts = []
    for table in json.loads(arguments["tables"]):
        counts += clean_table(spark, table, arguments)
    summary = spark.createDataFrame(
        counts, "table_name string, rule string, rows long, untidy long"
    )
    summary.coalesce(1).write.mode("overwrite").json(arguments["summary"])


if __name__ == "__main__":
    main(sys.argv)
