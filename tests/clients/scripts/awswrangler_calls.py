import awswrangler as wr
import boto3
import pandas as pd
import redshift_connector
from calls import BUCKET, DATABASE, HOST, PASSWORD, PORT, ROLE, S3_ENDPOINT, USER, call, same

wr.config.s3_endpoint_url = S3_ENDPOINT
session = boto3.Session(region_name="us-east-1")
boto3.client("s3", endpoint_url=S3_ENDPOINT)
connection = redshift_connector.connect(
    host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE
)
connection.cursor().execute("DROP SCHEMA IF EXISTS aw CASCADE")
connection.cursor().execute("CREATE SCHEMA aw")
connection.commit()
frame = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "name": ["a", "b", None],
        "f": [1.5, 2.5, None],
        "ok": [True, False, True],
        "at": pd.to_datetime(["2024-01-01 10:00:00"] * 3),
    }
)
folder = f"s3://{BUCKET}/aw"
place = {"con": connection, "schema": "aw"}
files = {"iam_role": ROLE, "boto3_session": session}


def rows(table):
    return len(wr.redshift.read_sql_query(f"SELECT * FROM aw.{table}", connection))


def check(name, run, table=None, count=None):
    with call(name, connection.rollback):
        run()
        if table:
            same(rows(table), count)


def to_sql(**options):
    return lambda: wr.redshift.to_sql(frame, **{"table": "t1", **place, **options})


def copy(table, **options):
    return lambda: wr.redshift.copy(
        df=frame, path=f"{folder}/c/", table=table, **place, **{**files, **options}
    )


def unload(name, **options):
    return lambda: wr.redshift.unload_to_files(
        "SELECT id, name FROM aw.c1", path=f"{folder}/{name}/", con=connection, **files, **options
    )


def unloaded():
    found = wr.redshift.unload("SELECT * FROM aw.c1", f"{folder}/u/", connection, **files)
    same(len(found), 3)


check("to_sql append", to_sql(mode="append"), "t1", 3)
check("to_sql overwrite", to_sql(mode="overwrite"), "t1", 3)
check("to_sql upsert", to_sql(mode="upsert", primary_keys=["id"]), "t1", 3)
for method in ("truncate", "delete", "cascade"):
    run = to_sql(mode="overwrite", overwrite_method=method)
    check(f"to_sql overwrite {method}", run, "t1", 3)
check(
    "to_sql keys",
    to_sql(table="t2", mode="overwrite", diststyle="KEY", distkey="id", sortkey=["id"]),
    "t2",
    3,
)
check("to_sql lock", to_sql(mode="append", lock=True), "t1", 6)
lists = pd.DataFrame({"a": [[1, 2]]})
check(
    "to_sql SUPER",
    lambda: wr.redshift.to_sql(lists, table="t3", **place, mode="overwrite", dtype={"a": "SUPER"}),
)
check("read_sql_table", lambda: wr.redshift.read_sql_table("t1", connection, schema="aw"))
check(
    "read_sql_query parameters",
    lambda: wr.redshift.read_sql_query("SELECT * FROM aw.t1 WHERE id = %s", connection, params=[1]),
)
check("copy append", copy("c1", mode="append"), "c1", 3)
check("copy overwrite", copy("c1", mode="overwrite"), "c1", 3)
check("copy upsert", copy("c1", mode="upsert", primary_keys=["id"]), "c1", 3)
precombined = {"mode": "upsert", "primary_keys": ["id"], "precombine_key": "at"}
check("copy precombine", copy("c3", **precombined))
check("copy precombine again", copy("c3", **precombined), "c3", 3)
check("s3.to_parquet", lambda: wr.s3.to_parquet(
    frame, f"{folder}/f/", dataset=True, boto3_session=session))  # fmt: skip
check(
    "copy_from_files",
    lambda: wr.redshift.copy_from_files(
        f"{folder}/f/", table="cf", **place, **files, mode="overwrite"
    ),
    "cf",
    3,
)
check("unload", unloaded)
check("unload_to_files CSV", unload("csv", unload_format="CSV"))
check("unload_to_files partitions", unload("parts", partition_cols=["id"]))
check("unload_to_files options", unload("opts", max_file_size=10, manifest=True, parallel=False))
