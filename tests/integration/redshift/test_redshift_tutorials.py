"""The statements of AWS's two COPY tutorials, over small files of the same shape.

TICKIT (Getting Started, "Load sample data from Amazon S3") and SSB ("Tutorial: Loading data from
Amazon S3", with its load errors). They are
written down from memory of those pages, with a bucket and role of this project.
"""

import json

import psycopg2
import pytest

from tests.conformance import conforms
from tests.integration.conftest import BUCKET

ROLE = "iam_role 'arn:aws:iam::123456789012:role/myRedshiftRole'"

TICKIT_TABLES = """
create table users(
    userid integer not null distkey sortkey, username char(8), firstname varchar(30),
    lastname varchar(30), city varchar(30), state char(2), email varchar(100), phone char(14),
    likesports boolean, liketheatre boolean, likeconcerts boolean, likejazz boolean,
    likeclassical boolean, likeopera boolean, likerock boolean, likevegas boolean,
    likebroadway boolean, likemusicals boolean);
create table venue(
    venueid smallint not null distkey sortkey, venuename varchar(100), venuecity varchar(30),
    venuestate char(2), venueseats integer);
create table category(
    catid smallint not null distkey sortkey, catgroup varchar(10), catname varchar(10),
    catdesc varchar(50));
create table date(
    dateid smallint not null distkey sortkey, caldate date not null, day character(3) not null,
    week smallint not null, month character(5) not null, qtr character(5) not null,
    year smallint not null, holiday boolean default('N'));
create table event(
    eventid integer not null distkey, venueid smallint not null, catid smallint not null,
    dateid smallint not null sortkey, eventname varchar(200), starttime timestamp);
create table listing(
    listid integer not null distkey, sellerid integer not null, eventid integer not null,
    dateid smallint not null sortkey, numtickets smallint not null,
    priceperticket decimal(8,2), totalprice decimal(8,2), listtime timestamp);
create table sales(
    salesid integer not null, listid integer not null distkey, sellerid integer not null,
    buyerid integer not null, eventid integer not null, dateid smallint not null sortkey,
    qtysold smallint not null, pricepaid decimal(8,2), commission decimal(8,2),
    saletime timestamp);
"""
LIKES = "|".join(["TRUE", "", "FALSE", "TRUE", "", "", "", "TRUE", "", ""])
TICKIT_FILES = {
    "allusers_pipe.txt": f"1|JSG99FHE|Rafael|Taylor|Kent|WA|Etiam.laoreet@sodales.com|"
    f"(664) 602-4412|{LIKES}\n2|PGL08LJI|Vladimir|Humphrey|Murfreesboro|SK|"
    f"Suspendisse.tristique@nonnisiAenean.edu|(783) 492-1886|{LIKES}\n",
    "venue_pipe.txt": "1|Toyota Park|Bridgeview|IL|0\n9|Dick's Sporting Goods Park|Commerce|CO|0\n",
    "category_pipe.txt": "1|Sports|MLB|Major League Baseball\n9|Concerts|Pop|All rock and pop\n",
    "date2008_pipe.txt": "1827|2008-01-01|TU|1|JAN|1|2008|TRUE\n"
    "1828|2008-01-02|WE|1|JAN|1|2008|FALSE\n",
    "allevents_pipe.txt": "1|9|9|1827|Gotterdammerung|2008-01-25 14:30:00\n"
    "2|9|9|1828|Boris Godunov|2008-10-15 20:00:00\n",
    "listings_pipe.txt": "1|1|1|1827|10|182.00|1820.00|2008-01-24 06:43:29\n",
    "sales_tab.txt": "1\t1\t1\t2\t1\t1827\t4\t728.00\t109.20\t2/18/2008 02:36:48\n"
    "2\t1\t1\t2\t2\t1828\t2\t76.00\t11.40\t6/6/2008 05:00:16\n",
}  # fmt: skip
TICKIT_COPIES = """
copy users from 's3://{bucket}/tickit/allusers_pipe.txt' {role} delimiter '|' region 'us-east-1';
copy venue from 's3://{bucket}/tickit/venue_pipe.txt' {role} delimiter '|' region 'us-east-1';
copy category from 's3://{bucket}/tickit/category_pipe.txt' {role} delimiter '|' region 'us-east-1';
copy date from 's3://{bucket}/tickit/date2008_pipe.txt' {role} delimiter '|' region 'us-east-1';
copy event from 's3://{bucket}/tickit/allevents_pipe.txt' {role} delimiter '|'
    timeformat 'YYYY-MM-DD HH:MI:SS' region 'us-east-1';
copy listing from 's3://{bucket}/tickit/listings_pipe.txt' {role} delimiter '|' region 'us-east-1';
copy sales from 's3://{bucket}/tickit/sales_tab.txt' {role} delimiter '\\t'
    timeformat 'MM/DD/YYYY HH:MI:SS' region 'us-east-1';
"""


@pytest.fixture
def run(cloud, bucket):
    """Run scripts over the wire, as the tutorials' readers do, in a schema of their own."""
    connection = psycopg2.connect(**cloud.front_address())
    connection.autocommit = True
    cursor = connection.cursor()

    def execute(script):
        cursor.execute(script)
        return cursor.fetchall() if cursor.description else connection.notices[-1:]

    execute("drop schema if exists tutorial cascade")
    execute("create schema tutorial")
    execute("set search_path to tutorial")
    yield execute
    connection.close()


def put(s3, files, prefix):
    for name, text in files.items():
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=text.encode())


@conforms(
    "AWS's tutorials",
    "TICKIT: tables, COPY of seven files, queries",
    "c_sampledb, cm-dev-t-load-sample-data",
)
def test_tickit(run, bucket):
    put(bucket, TICKIT_FILES, "tickit")
    run(TICKIT_TABLES)
    run(TICKIT_COPIES.format(bucket=BUCKET, role=ROLE))
    columns = run('select "column", type, distkey, sortkey from pg_table_def '
                  "where tablename = 'sales' and (distkey or sortkey > 0) order by 1")  # fmt: skip
    assert columns == [("dateid", "smallint", False, 1), ("listid", "integer", True, 0)]
    assert run("select sum(qtysold) from sales, date where sales.dateid = date.dateid "
               "and caldate = '2008-01-01'") == [(4,)]  # fmt: skip
    assert run("select firstname, lastname, total_quantity from (select buyerid, sum(qtysold) "
               "total_quantity from sales group by buyerid order by total_quantity desc limit 10) "
               "q, users where q.buyerid = userid order by q.total_quantity desc"
               ) == [("Vladimir", "Humphrey", 6)]  # fmt: skip
    assert run("select eventname, total_price from (select eventid, total_price, ntile(1000) "
               "over(order by total_price desc) as percentile from (select eventid, "
               "sum(pricepaid) total_price from sales group by eventid)) q, event e "
               "where q.eventid = e.eventid and percentile = 1 order by total_price desc"
               )[0][0] == "Gotterdammerung"  # fmt: skip


SSB_TABLES = """
CREATE TABLE part (
  p_partkey INTEGER NOT NULL, p_name VARCHAR(22) NOT NULL, p_mfgr VARCHAR(6),
  p_category VARCHAR(7) NOT NULL, p_brand1 VARCHAR(9) NOT NULL, p_color VARCHAR(11) NOT NULL,
  p_type VARCHAR(25) NOT NULL, p_size INTEGER NOT NULL, p_container VARCHAR(10) NOT NULL);
CREATE TABLE supplier (
  s_suppkey INTEGER NOT NULL, s_name VARCHAR(25) NOT NULL, s_address VARCHAR(25) NOT NULL,
  s_city VARCHAR(10) NOT NULL, s_nation VARCHAR(15) NOT NULL, s_region VARCHAR(12) NOT NULL,
  s_phone VARCHAR(15) NOT NULL);
CREATE TABLE customer (
  c_custkey INTEGER NOT NULL, c_name VARCHAR(25) NOT NULL, c_address VARCHAR(25) NOT NULL,
  c_city VARCHAR(10) NOT NULL, c_nation VARCHAR(15) NOT NULL, c_region VARCHAR(12) NOT NULL,
  c_phone VARCHAR(15) NOT NULL, c_mktsegment VARCHAR(10) NOT NULL);
CREATE TABLE dwdate (d_datekey INTEGER NOT NULL, d_date VARCHAR(19) NOT NULL, d_seen DATE);
"""
LOADVIEW = """
create view loadview as
(select distinct tbl, trim(name) as table_name, query, starttime,
trim(filename) as input, line_number, colname, err_code,
trim(err_reason) as reason
from stl_load_errors sl, stv_tbl_perm sp
where sl.tbl = sp.id)
"""
PARTS = ("15,dark sky,MFGR#3,MFGR#47,MFGR#3438,indigo,STANDARD ANODIZED TIN,49,SM DRUM\n"
         "22,floral beige,MFGR#4,MFGR#44,MFGR#4421,medium,PROMO PLATED COPPER,19,{}\n")  # fmt: skip


def copy(table, file, options):
    return f"copy {table} from 's3://{BUCKET}/ssb/{file}' {ROLE} {options};"


@conforms("AWS's tutorials", "loading data: NUL terminators", "tutorial-loading-run-copy")
def test_ssb_part_fails_on_nul_and_loads_with_null_as(run, bucket):
    put(bucket, {"part-csv.tbl-000": PARTS.format("\x00")}, "ssb")
    run(SSB_TABLES)
    with pytest.raises(psycopg2.errors.InternalError_, match="Load into table 'part' failed"):
        run(copy("part", "part-csv.tbl", "csv"))
    ((code, reason),) = run("select err_code, trim(err_reason) from stl_load_errors "
                            "where query = pg_last_copy_id()")  # fmt: skip
    assert code == 1216 and reason.startswith("Missing newline: Unexpected character")
    put(bucket, {"part-csv.tbl-000": PARTS.format("LG CASE")}, "ssb")
    run(copy("part", "part-csv.tbl", "csv null as '\\000'"))
    assert run("select count(*) from part") == [(2,)]


@conforms("AWS's tutorials", "loading data: DELIMITER, GZIP", "tutorial-loading-run-copy")
def test_ssb_supplier_by_delimiter_and_gzip(run, bucket):
    import gzip

    line = "1|Supplier#000000001|sdrGnXCDRcfriBvY0KL,i|PERU     0|PERU|AMERICA|27-989-741-2988\n"
    bucket.put_object(Bucket=BUCKET, Key="ssb/supplier.tbl_0000_part_00.gz",
                      Body=gzip.compress(line.encode()))  # fmt: skip
    run(SSB_TABLES)
    run(copy("supplier", "supplier.tbl", "delimiter '|' gzip region 'us-east-1'"))
    assert run("select s_nation from supplier") == [("PERU",)]


WIDTHS = ("fixedwidth 'c_custkey:10, c_name:25, c_address:25, c_city:10, c_nation:15, "
          "c_region :12, c_phone:15,c_mktsegment:10'")  # fmt: skip


def customer(key, name):
    values = (key, name, "MG9kdTD2WBHm", "MOROCCO  4", "MOROCCO", "AFRICA", "15-986-353-1283",
              "BUILDING")  # fmt: skip
    widths = (10, 25, 25, 10, 15, 12, 15, 10)
    return "".join(v.ljust(w) for v, w in zip(values, widths, strict=True)) + "\n"


@conforms("AWS's tutorials", "loading data: a log file among the data", "tutorial-loading-run-copy")
def test_ssb_customer_with_a_log_among_the_files(run, bucket):
    put(
        bucket,
        {"customer-fw.tbl-000": customer("1", "Customer#1"),
         "customer-fw.tbl-001": customer("2", "Customer#2"),
         "customer-fw.tbl.log": "this is no data at all\n"},
        "ssb",
    )  # fmt: skip
    run(SSB_TABLES)
    with pytest.raises(psycopg2.errors.InternalError_, match="Load into table 'customer' failed"):
        run(copy("customer", "customer-fw.tbl", WIDTHS))
    run(copy("customer", "customer-fw.tbl", f"{WIDTHS} maxerror 10"))
    assert run("select count(*) from customer") == [(2,)]
    run("truncate customer")
    entries = [{"url": f"s3://{BUCKET}/ssb/customer-fw.tbl-00{i}"} for i in (0, 1)]
    put(bucket, {"customer-fw-manifest": json.dumps({"entries": entries})}, "ssb")
    notices = run(copy("customer", "customer-fw-manifest", f"{WIDTHS} maxerror 10 "
                       "acceptinvchars as '^' manifest"))  # fmt: skip
    assert "2 record(s) loaded successfully." in notices[-1]


@conforms("AWS's tutorials", "loading data: DATEFORMAT 'auto'", "tutorial-loading-run-copy")
def test_ssb_dwdate_with_auto_dates(run, bucket):
    text = '19920101\t"January 1, 1992"\t01/01/1992\n19920102\t"January 2, 1992"\t1992-01-02\n'
    put(bucket, {"dwdate-tab.tbl": text}, "ssb")
    run(SSB_TABLES)
    run(copy("dwdate", "dwdate-tab.tbl", "delimiter '\\t' dateformat 'auto'"))
    assert run("select d_datekey, cast(d_seen as varchar) from dwdate order by 1") == [
        (19920101, "1992-01-01"), (19920102, "1992-01-02")
    ]  # fmt: skip


@conforms("AWS's tutorials", "the view of load errors", "tutorial-loading-run-copy")
def test_the_view_of_load_errors_that_the_tutorial_makes(run, bucket):
    put(bucket, {"part-csv.tbl-000": PARTS.format("x" * 11)}, "ssb")
    run(SSB_TABLES)
    run(LOADVIEW)
    with pytest.raises(psycopg2.errors.InternalError_):
        run(copy("part", "part-csv.tbl", "csv"))
    ((table, line, column, reason),) = run(
        "select table_name, line_number, trim(colname), reason from loadview "
        "where query = pg_last_copy_id()"
    )
    assert (table, line, column) == ("part", 2, "p_container")
    assert reason == "String length exceeds DDL length"
