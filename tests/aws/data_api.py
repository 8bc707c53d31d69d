"""A Redshift Data API in front of a local warehouse."""

import itertools
from datetime import date, datetime
from decimal import Decimal

import psycopg2

from tests.aws.validating import Played, refusal

_TYPES = {16: "bool", 20: "int8", 21: "int2", 23: "int4", 700: "float4", 701: "float8",
          1043: "varchar", 1082: "date", 1114: "timestamp", 1700: "numeric"}  # fmt: skip
PAGE = 2  # rows, so that every result of three or more has pages


class PlayedDataApi(Played):
    """Runs statements on one connection per session; each is seen running once."""

    service = "redshift-data"

    def __init__(self, connect):
        self._connect = connect
        self._numbers = itertools.count()
        self.sessions, self._statements, self._results = {}, {}, {}
        super().__init__()

    def execute_statement(self, *, Sql, SessionId=None, SessionKeepAliveSeconds=0, **where):
        if SessionId is None:
            assert where["Database"]
            SessionId = f"session-{next(self._numbers)}"  # noqa: N806
            connection = self._connect()
            connection.autocommit = True
            self.sessions[SessionId] = connection
        elif where:
            raise refusal("ValidationException", "ExecuteStatement")
        number = f"statement-{next(self._numbers)}"
        found = {"Id": number, "HasResultSet": False, "ResultRows": -1}
        try:
            with self.sessions[SessionId].cursor() as cursor:
                cursor.execute(Sql)
                found |= {"Status": "FINISHED", "ResultRows": cursor.rowcount}
                if cursor.description:
                    found["HasResultSet"] = True
                    self._results[number] = (cursor.description, cursor.fetchall())
        except psycopg2.Error as error:
            found |= {"Status": "FAILED", "Error": f"ERROR: {error.diag.message_primary}"}
        self._statements[number] = [{"Id": number, "Status": "STARTED"}, found]
        return {"Id": number, "SessionId": SessionId}

    def describe_statement(self, *, Id):
        states = self._statements[Id]
        return states.pop(0) if len(states) > 1 else states[0]

    def cancel_statement(self, *, Id):
        return {"Status": True}

    def get_statement_result(self, *, Id, NextToken="0"):
        description, rows = self._results[Id]
        start = int(NextToken)
        answer = {
            "ColumnMetadata": [
                {"name": c.name, "typeName": _TYPES.get(c.type_code, "varchar")}
                for c in description
            ],
            "Records": [[_field(value) for value in row] for row in rows[start : start + PAGE]],
        }
        if start + PAGE < len(rows):
            answer["NextToken"] = str(start + PAGE)
        return answer


def _field(value):
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, (Decimal, date, datetime)):
        return {"stringValue": str(value)}
    return {"stringValue": value}
