import pandas as pd
import sqlalchemy as sa
from calls import CA, DATABASE, HOST, PASSWORD, PORT, USER, call, same

for driver in ("psycopg2", "redshift_connector"):
    url = sa.engine.URL.create(f"redshift+{driver}", USER, PASSWORD, HOST, PORT, DATABASE)
    if driver == "redshift_connector":
        try:
            import redshift_connector  # noqa: F401
        except ImportError:
            continue
    secure = {"sslmode": "verify-full", "sslrootcert": CA} if driver == "psycopg2" else {}
    engine = sa.create_engine(url, connect_args=secure)
    with call(f"{driver} connect"), engine.connect() as connection:
        same(connection.execute(sa.text("SELECT 1")).scalar(), 1)
    with engine.begin() as connection:
        for text in (
            "DROP SCHEMA IF EXISTS sa CASCADE",
            "CREATE SCHEMA sa",
            "CREATE TABLE sa.parent (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE)",
            "CREATE TABLE sa.child (id INT, parent_id INT REFERENCES sa.parent (id), "
            "amount NUMERIC(8, 2) DEFAULT 0) DISTKEY (id) SORTKEY (parent_id)",
            "CREATE VIEW sa.seen AS SELECT id FROM sa.child",
            "COMMENT ON TABLE sa.child IS 'the children'",
        ):
            connection.execute(sa.text(text))

    def reflect(name, of, wanted, driver=driver, engine=engine):
        with call(f"{driver} {name}"):
            same(of(sa.inspect(engine)), wanted)

    reflect("get_schema_names", lambda i: "sa" in i.get_schema_names(), True)
    reflect("get_table_names", lambda i: sorted(i.get_table_names("sa")), ["child", "parent"])
    reflect("get_view_names", lambda i: i.get_view_names("sa"), ["seen"])
    reflect("has_table", lambda i: i.has_table("child", "sa"), True)
    reflect("get_view_definition", lambda i: "id" in str(i.get_view_definition("seen", "sa")), True)
    reflect(
        "get_columns",
        lambda i: [
            (c["name"], str(c["type"]), c["nullable"]) for c in i.get_columns("parent", "sa")
        ],
        [("id", "INTEGER", False), ("name", "VARCHAR(20)", False)],
    )
    reflect(
        "get_pk_constraint",
        lambda i: i.get_pk_constraint("parent", "sa")["constrained_columns"],
        ["id"],
    )
    reflect(
        "get_foreign_keys",
        lambda i: [k["referred_table"] for k in i.get_foreign_keys("child", "sa")],
        ["parent"],
    )
    reflect(
        "get_unique_constraints",
        lambda i: [k["column_names"] for k in i.get_unique_constraints("parent", "sa")],
        [["name"]],
    )
    reflect("get_indexes", lambda i: i.get_indexes("child", "sa"), [])
    reflect("get_check_constraints", lambda i: i.get_check_constraints("child", "sa"), [])
    reflect(
        "get_table_comment", lambda i: i.get_table_comment("child", "sa")["text"], "the children"
    )
    reflect(
        "get_table_options",
        lambda i: i.get_table_options("child", schema="sa").get("redshift_distkey"),
        "id",
    )
    with call(f"{driver} MetaData.reflect"):
        found = sa.MetaData()
        found.reflect(engine, schema="sa")
        same(sorted(found.tables), ["sa.child", "sa.parent"])
    with call(f"{driver} create_all, insert, drop_all"):
        made = sa.MetaData()
        table = sa.Table(
            "made",
            made,
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("at", sa.DateTime),
            sa.Column("name", sa.String(10)),
            schema="sa",
            redshift_diststyle="KEY",
            redshift_distkey="id",
            redshift_sortkey="at",
        )
        made.create_all(engine)
        with engine.begin() as connection:
            connection.execute(table.insert(), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
            same(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar(), 2)
        made.drop_all(engine)
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, 2.5]})
    for how in ("fail", "replace", "append"):
        with call(f"{driver} pandas.to_sql {how}"):
            frame.to_sql("frame", engine, schema="sa", if_exists=how, index=False)
    with call(f"{driver} pandas.read_sql"):
        same(len(pd.read_sql("SELECT * FROM sa.frame", engine)), 4)
    with call(f"{driver} pandas.read_sql_table"):
        same(list(pd.read_sql_table("frame", engine, schema="sa")), ["a", "b", "c"])
    engine.dispose()
