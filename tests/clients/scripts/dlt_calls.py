import os

from calls import BUCKET, DATABASE, HOST, PASSWORD, PORT, S3_ENDPOINT, USER, call, same

os.environ.update(
    DESTINATION__REDSHIFT__CREDENTIALS=f"postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{DATABASE}",
    DESTINATION__FILESYSTEM__BUCKET_URL=f"s3://{BUCKET}/dlt",
    DESTINATION__FILESYSTEM__CREDENTIALS__AWS_ACCESS_KEY_ID=os.environ["AWS_ACCESS_KEY_ID"],
    DESTINATION__FILESYSTEM__CREDENTIALS__AWS_SECRET_ACCESS_KEY=os.environ["AWS_SECRET_ACCESS_KEY"],
    DESTINATION__FILESYSTEM__CREDENTIALS__ENDPOINT_URL=S3_ENDPOINT,
    RUNTIME__DLTHUB_TELEMETRY="false",
)
import dlt

ROWS = [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob"}]
HOW = {
    "append": ("append", 4),
    "replace": ("replace", 2),
    "merge": ("merge", 2),
    "scd2": ({"disposition": "merge", "strategy": "scd2"}, 2),
}


def load(name, staging, file_format):
    disposition, wanted = HOW[name]
    label = f"{name} {staging or ''} {file_format or ''}".strip()
    with call(label):
        pipeline = dlt.pipeline(
            label.replace(" ", "_"),
            destination="redshift",
            staging=staging,
            dataset_name=f"dlt_{label.replace(' ', '_')}",
            dev_mode=False,
        )
        for _ in range(2):
            pipeline.run(
                ROWS,
                table_name="t",
                write_disposition=disposition,
                primary_key="id" if name == "merge" else None,
                loader_file_format=file_format,
            )
        with pipeline.sql_client() as client:
            same(client.execute_sql("SELECT count(*) FROM t")[0][0], wanted)


for staging, file_format in ((None, None), ("filesystem", "jsonl"), ("filesystem", "parquet")):
    for name in HOW:
        load(name, staging, file_format)
