"""The Redshift Data API over the local front: boto3's methods, limits, states and errors."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from src.json_object import JsonObject
from src.local_cloud.endpoint import data_catalog
from src.local_cloud.endpoint.data_results import csv_records
from src.local_cloud.endpoint.data_statements import (
    ENDED,
    OWN_USER,
    Connect,
    Part,
    Runner,
    Statement,
)
from src.local_cloud.endpoint.errors import AwsError
from src.local_cloud.endpoint.warehouse_access import NAME, is_name
from src.sql import scanning
from src.sql.quoting import redshift_literal
from src.sql.refusal import Refusal

MAX_ACTIVE = 500
MAX_SESSIONS = 40  # AWS has 500; each is a connection of the one small server
MAX_SQL = 100_000  # bytes
MAX_BATCH = 40
KEPT = 1_000  # ended statements, the newest
_TARGET = ("ClusterIdentifier", "WorkgroupName", "DbUser", "SecretArn", "Database")


class LocalRedshiftData:
    """The part of boto3's redshift-data client that runs, describes and lists."""

    def __init__(self, connect: Connect, cancel: Callable[[int], None]) -> None:
        self._connect = connect
        self._runner = Runner(connect, cancel)
        self._statements: OrderedDict[str, Statement] = OrderedDict()
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Stop all that runs."""
        self._runner.close()

    # -- running -------------------------------------------------------------------------

    def execute_statement(self, *, Sql: str, **options: Any) -> JsonObject:
        """Start one SQL statement."""
        return self._start([Sql], options, is_batch=False)

    def batch_execute_statement(self, *, Sqls: list[str], **options: Any) -> JsonObject:
        """Start several SQL statements, by default in one transaction."""
        if len(Sqls) > MAX_BATCH:
            raise _invalid(f"a batch has at most {MAX_BATCH} statements")
        return self._start(Sqls, options, is_batch=True)

    def _start(self, sqls: list[str], options: JsonObject, *, is_batch: bool) -> JsonObject:
        if sum(len(sql.encode()) for sql in sqls) > MAX_SQL:
            raise _invalid("Query size cannot exceed 100 KB.")
        parameters = options.get("Parameters")
        codes = [_bound(sql, parameters or []) for sql in sqls]
        with self._lock:  # the same token twice is one statement
            token = options.get("ClientToken")
            statement = self._statements.get(self._tokens.get(token or "", ""))
            if statement is None:
                statement = self._new(sqls, codes, options, is_batch=is_batch)
                self._keep(statement, token)
                self._runner.start(statement)
        statement.done.wait(options.get("WaitTimeSeconds", 0))
        answer = {**statement.where, "Id": statement.id, "Status": statement.status,
                  "CreatedAt": statement.whole.created}  # fmt: skip
        if statement.session is not None:
            answer["SessionId"] = statement.session.id
        return answer

    def _new(
        self, sqls: list[str], codes: list[str], options: JsonObject, *, is_batch: bool
    ) -> Statement:
        if self._runner.active >= MAX_ACTIVE:
            text = "The number of active statements exceeds the limit."
            raise AwsError("ActiveStatementsExceededException", text)
        session, keep_alive_s = None, options.get("SessionKeepAliveSeconds")
        if "SessionId" in options:
            session = self._session(options)
            where = session.where
            self._runner.take_session(session)
            if keep_alive_s is not None:
                session.keep_alive_s = keep_alive_s
        else:
            where = _target(options)
            if keep_alive_s:
                if len(self._runner.sessions) >= MAX_SESSIONS:
                    text = "The number of active sessions exceeds the limit."
                    raise AwsError("ActiveSessionsExceededException", text)
                session = self._runner.new_session(where, keep_alive_s)
                self._runner.take_session(session)
        number = str(uuid.uuid4())
        parts = [
            Part(f"{number}:{n}" if is_batch else number, sql, code)
            for n, (sql, code) in enumerate(zip(sqls, codes, strict=True), 1)
        ]
        return Statement(
            number, where, parts, session, is_batch,
            in_transaction=is_batch and options.get("ExecutionMode") != "AUTO_COMMIT",
            name=options.get("StatementName"), parameters=options.get("Parameters"),
            format=options.get("ResultFormat", "JSON"),
        )  # fmt: skip

    def _session(self, options: JsonObject) -> Any:
        if any(name in options for name in _TARGET):
            raise _invalid("SessionId is given alone, without a warehouse, user or database")
        session = self._runner.sessions.get(options["SessionId"])
        if session is None:
            raise _invalid("Session is not available")
        return session

    def _keep(self, statement: Statement, token: str | None) -> None:
        self._statements[statement.id] = statement
        if token:
            self._tokens[token] = statement.id
        ended = [s.id for s in self._statements.values() if s.done.is_set()]
        for old in ended[: max(0, len(self._statements) - KEPT)]:
            del self._statements[old]
        self._tokens = {t: i for t, i in self._tokens.items() if i in self._statements}

    # -- looking -------------------------------------------------------------------------

    def describe_statement(self, *, Id: str, WaitTimeSeconds: int = 0) -> JsonObject:
        """Return a statement's state; WaitTimeSeconds waits for its end."""
        statement, part = self._find(Id)
        statement.done.wait(WaitTimeSeconds)
        whole = statement.whole if part is None else part
        answer = {**statement.where, **whole.as_answer(), "RedshiftPid": statement.pid,
                  "ResultFormat": statement.format}  # fmt: skip
        if statement.session is not None:
            answer["SessionId"] = statement.session.id
        if statement.parameters:
            answer["QueryParameters"] = statement.parameters
        if statement.is_batch and part is None:
            answer["SubStatements"] = [each.as_answer() for each in statement.parts]
            answer["HasResultSet"] = any(each.result for each in statement.parts)
        return answer

    def cancel_statement(self, *, Id: str) -> JsonObject:
        """Stop a statement; ValidationException where it has ended."""
        statement, _ = self._find(Id)
        if statement.status in ENDED:
            text = f"Could not cancel a query that is already in {statement.status} state."
            raise _invalid(text)
        self._runner.cancel(statement)
        return {"Status": True}

    def get_statement_result(
        self, *, Id: str, NextToken: str = "0", WaitTimeSeconds: int = 0
    ) -> JsonObject:
        """Return a page of a result, as typed fields."""
        return self._page(Id, NextToken, WaitTimeSeconds, "JSON")

    def get_statement_result_v2(
        self, *, Id: str, NextToken: str = "0", WaitTimeSeconds: int = 0
    ) -> JsonObject:
        """Return a page of a result, as CSV."""
        return self._page(Id, NextToken, WaitTimeSeconds, "CSV")

    def _page(self, number: str, token: str, wait_s: int, form: str) -> JsonObject:
        statement, part = self._find(number)
        statement.done.wait(wait_s)
        part = part or statement.parts[0]
        if statement.is_batch and ":" not in number:
            raise _invalid("the result of a batch is read by the ids of its statements")
        if part.status != "FINISHED" or part.result is None:
            text = "Query does not have result. Please check query status with DescribeStatement."
            raise AwsError("ResourceNotFoundException", text, ResourceId=number)
        if statement.format != form:
            other = "GetStatementResultV2" if form == "JSON" else "GetStatementResult"
            raise _invalid(f"the statement's result format is {statement.format}; use {other}")
        if not (token.isascii() and token.isdigit()):
            raise _invalid("NextToken is not valid")
        start = int(token)
        records, following = part.result.page(start)
        answer: JsonObject = {
            "ColumnMetadata": part.result.columns, "TotalNumRows": len(part.result.records),
            "Records": records,
        }  # fmt: skip
        if form == "CSV":
            text = csv_records(part.result.columns, records, start)
            answer |= {"Records": [{"CSVRecords": text}], "ResultFormat": "CSV"}
        return answer if following is None else {**answer, "NextToken": str(following)}

    def _find(self, number: str) -> tuple[Statement, Part | None]:
        """Return a statement, and which of its parts the number names."""
        statement = self._statements.get(number.partition(":")[0])
        part = None
        if statement is not None and ":" in number:
            part = next((each for each in statement.parts if each.id == number), None)
        if statement is None or (":" in number and part is None):
            text = "Query does not exist."
            raise AwsError("ResourceNotFoundException", text, ResourceId=number)
        return statement, part

    # -- lists ---------------------------------------------------------------------------

    def list_statements(
        self, *, Status: str = "ALL", StatementName: str = "", NextToken: str = "0",
        MaxResults: int = 100, RoleLevel: bool = True, **where: str,
    ) -> JsonObject:  # fmt: skip
        """Return the statements, newest first; StatementName is the start of a name."""
        with self._lock:
            held = list(reversed(self._statements.values()))
        found = [
            s for s in held
            if Status in ("ALL", s.status) and (s.name or "").startswith(StatementName)
            and all(s.where.get(name) == value for name, value in where.items())
        ]  # fmt: skip
        return _paged("Statements", [_summary(s) for s in found], NextToken, MaxResults)

    def list_databases(self, **options: Any) -> JsonObject:
        """Return the names of the databases."""
        return self._listed("Databases", data_catalog.databases, options)

    def list_schemas(self, **options: Any) -> JsonObject:
        """Return the names of a database's schemas."""
        return self._listed("Schemas", data_catalog.schemas, options)

    def list_tables(self, **options: Any) -> JsonObject:
        """Return a database's tables and views."""
        return self._listed("Tables", data_catalog.tables, options)

    def describe_table(self, *, Table: str = "", Schema: str = "", **options: Any) -> Any:
        """Return the columns of a table."""
        names = {"Table": Table, "Schema": Schema}
        answer = self._listed("ColumnList", data_catalog.columns, {**options, **names})
        return {**answer, "TableName": Table}

    def _listed(self, member: str, query: data_catalog.Query, options: JsonObject) -> JsonObject:
        where = _target(options)
        database = options.get("ConnectedDatabase") or where["Database"]
        place = database, where.get("DbUser", OWN_USER)
        found = data_catalog.read(self._connect, place, query, options)
        page = options.get("NextToken", "0"), options.get("MaxResults", 1000)
        return _paged(member, found, *page)


def _summary(statement: Statement) -> JsonObject:
    sqls = [part.sql for part in statement.parts]
    answer = {
        "Id": statement.id, "Status": statement.status, "CreatedAt": statement.whole.created,
        "UpdatedAt": statement.whole.updated, "IsBatchStatement": statement.is_batch,
        "QueryString": sqls[0], "ResultFormat": statement.format,
        "StatementName": statement.name, "QueryParameters": statement.parameters,
    }  # fmt: skip
    return {**answer, "QueryStrings": sqls} if statement.is_batch else answer


def _paged(member: str, found: list[Any], token: str, most: int) -> JsonObject:
    if not (token.isascii() and token.isdigit()):
        raise _invalid("NextToken is not valid")
    start, most = int(token), most or 1000
    answer: JsonObject = {member: found[start : start + most]}
    if start + most < len(found):
        answer["NextToken"] = str(start + most)
    return answer


def _target(options: JsonObject) -> dict[str, str]:
    """Return whom a call is for; ValidationException where no warehouse is named so."""
    where = {name: options[name] for name in _TARGET if name in options}
    names = [where[name] for name in _TARGET[:2] if name in where]
    if len(names) != 1:
        raise _invalid("Exactly one of ClusterIdentifier and WorkgroupName is required.")
    if names != [NAME]:
        text = f"Redshift endpoint doesn't exist in this region; the local cloud's is {NAME}."
        raise _invalid(text)
    if "SecretArn" in where:
        raise _invalid("the local cloud's Data API has no secrets; give DbUser, or nothing")
    if not is_name(where.get("DbUser", OWN_USER)):
        raise _invalid(f"The name {where['DbUser']!r} is not allowed.")
    if not where.get("Database"):
        raise _invalid("Database must be specified.")
    return where


def _bound(sql: str, parameters: Iterable[dict[str, str]]) -> str:
    """Return a statement with its `:name` parameters as literals."""
    values = {parameter["name"]: parameter["value"] for parameter in parameters}
    if not values:
        return sql
    try:
        tokens = scanning.read(sql).tokens
    except Refusal as refusal:
        raise _invalid(refusal.message) from None
    written: list[str] = []
    used: set[str] = set()
    before = ""
    for token in tokens:
        is_behind_colon = before == ":" and not token.gap
        if is_behind_colon and token.text in values and not written[-1].endswith("::"):
            written[-1] = written[-1].removesuffix(":") + redshift_literal(values[token.text])
            used.add(token.text)
        elif is_behind_colon and token.text == ":":
            written[-1] += ":"
        else:
            written.append(token.gap + token.text)
        before = token.text
    if unused := sorted(set(values) - used):
        raise _invalid(f"Parameters list contains unused parameters. Unused parameters: {unused}")
    return "".join(written).strip()


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text)
