"""Clean the raw concert data: a PySpark job for AWS Glue that imports nothing of this project.

    --tables       list of tables, parents first: name, columns and the SQL that cleans it, as
                   JSON, compressed with zlib, in base64 (src/domain/cleaning.py makes it)
    --input        JSON object: table name -> list of raw files or folders
    --format       json, csv or parquet
    --output       folder for the clean tables, one folder of Parquet each
    --quarantine   folder for rejected rows with their reason
    --summary      folder for the counts per table, rule and warnings, as JSON Lines
    --files        JSON object: table name -> how many files to write, where it is more than one
    --known        JSON object: table name -> Parquet files with the keys that rows may refer to
                   besides those of this run's rows: what the warehouse holds before a merge

Every raw row is either written, cleaned, to its table or to the quarantine with the first rule
it breaks, in this order: its own columns, laws between its columns, its key being taken, its
references. The SQL is the same that cleans raw rows in Redshift with `--etl direct`.
"""

import argparse
import base64
import json
import sys
import zlib

from pyspark.sql import SparkSession


def read_raw(spark, paths, raw_format, table):
    """Make view raw_TABLE: every column as text, columns the files lack as null."""
    names = table["columns"]
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
    query = f"SELECT {columns} FROM files_{table['name']}"
    spark.sql(query).createOrReplaceTempView(f"raw_{table['name']}")


def clean_table(spark, table, arguments):
    """Clean one table and write its rows; returns its counts by rule and warnings."""
    name = table["name"]
    read_raw(spark, arguments["input"][name], arguments["format"], table)
    for step, query, is_kept in table["steps"]:
        frame = spark.sql(query)
        if is_kept:
            frame = frame.cache()  # more than one query reads it
        frame.createOrReplaceTempView(step)
    accepted = spark.sql(table["accepted"])
    files = arguments["files"].get(name, 1)
    if files > 1:  # so that each slice of the warehouse gets as many as any other
        accepted = accepted.repartition(files)
    accepted.write.mode("overwrite").parquet(f"{arguments['output']}/{name}")
    rejected = spark.sql(table["rejected"])
    rejected.write.mode("overwrite").parquet(f"{arguments['quarantine']}/{name}")
    # From the files, not from the query: Spark would carry each parent's whole plan along.
    spark.read.parquet(f"{arguments['output']}/{name}").createOrReplaceTempView(f"clean_{name}")
    keys = f"SELECT {table['key']} FROM clean_{name}"
    if name in arguments["known"]:
        spark.read.parquet(*arguments["known"][name]).createOrReplaceTempView(f"known_{name}")
        keys += f" UNION SELECT {table['key']} FROM known_{name}"
    spark.sql(keys).createOrReplaceTempView(f"accepted_{name}")
    return [
        (name, row["rule"], row["warnings"], int(row["n"]), int(row["untidy"]), row["example"])
        for row in spark.sql(table["counts"]).collect()
    ]


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
    # A date before 1900 is written as it is; without this it would end the job.
    spark.conf.set("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED")
    counts = []
    for table in json.loads(zlib.decompress(base64.b64decode(arguments["tables"]))):
        counts += clean_table(spark, table, arguments)
    summary = spark.createDataFrame(
        counts,
        "table_name string, rule string, warnings string, n long, untidy long, example string",
    )
    summary.coalesce(1).write.mode("overwrite").json(arguments["summary"])


if __name__ == "__main__":
    main(sys.argv)
