from pathlib import Path
from tempfile import mkdtemp

import locopy
import pandas as pd
import psycopg2
import redshift_connector
from calls import BUCKET, DATABASE, HOST, PASSWORD, PORT, USER, call, same

folder = Path(mkdtemp())
rows = folder / "rows.csv"
rows.write_text("1|ann\n2|bob\n")
frame = pd.DataFrame({"id": [1, 2], "name": ["ann", "bob"]})
for driver in (psycopg2, redshift_connector):
    name = driver.__name__
    options = {"host": HOST, "port": PORT, "user": USER, "password": PASSWORD}
    options["dbname" if driver is psycopg2 else "database"] = DATABASE
    table = f"locopy_{name}"
    with call(f"{name} connect, execute"), locopy.Redshift(dbapi=driver, **options) as redshift:
        redshift.execute(f"DROP TABLE IF EXISTS {table}")
        redshift.execute(f"CREATE TABLE {table} (id INT, name VARCHAR(10))")
    with call(f"{name} load_and_copy"), locopy.Redshift(dbapi=driver, **options) as redshift:
        redshift.load_and_copy(str(rows), BUCKET, table, delim="|", compress=False)
    with call(f"{name} to_dataframe"), locopy.Redshift(dbapi=driver, **options) as redshift:
        redshift.execute(f"SELECT * FROM {table}")
        same(len(redshift.to_dataframe()), 2)
    with call(f"{name} insert_dataframe"), locopy.Redshift(dbapi=driver, **options) as redshift:
        redshift.insert_dataframe_to_table(frame, table)
    with call(f"{name} unload_and_copy"), locopy.Redshift(dbapi=driver, **options) as redshift:
        redshift.unload_and_copy(
            f"SELECT * FROM {table}",
            BUCKET,
            s3_folder=f"locopy_{name}",
            export_path=str(folder / f"{name}.csv"),
        )
        same((folder / f"{name}.csv").exists(), True)
