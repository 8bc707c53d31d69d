"""CREATE EXTERNAL SCHEMA ... FROM KINESIS: the schema whose relations are streams."""

from __future__ import annotations

from src.local_cloud.redshift.sql.relations import check_target
from src.local_cloud.redshift.statements.objects import at_end
from src.sql.cursors import Cursor
from src.sql.quoting import identifier
from src.sql.reading import TokenReader
from src.sql.refusal import Refusal
from src.sql.scanning import Statement


def is_external_schema(statement: Statement) -> bool:
    """Tell whether CREATE makes an external schema."""
    return statement.words(0, 3) == ["CREATE", "EXTERNAL", "SCHEMA"]


def create_external_schema(statement: Statement, cursor: Cursor) -> None:
    """CREATE EXTERNAL SCHEMA [IF NOT EXISTS] name FROM KINESIS [REGION 'r'] IAM_ROLE role.

    There is one region and one set of credentials here: both are kept, and without effect.
    """
    words = TokenReader(statement.since(3))
    is_lenient = words.take("IF")
    if is_lenient:
        words.expect("NOT")
        words.expect("EXISTS")
    name = words.identifier()
    check_target(name, "")
    words.expect("FROM")
    source = words.next().upper()
    if source != "KINESIS":
        raise Refusal.not_emulated(f"CREATE EXTERNAL SCHEMA ... FROM {source}")
    region = words.string() if words.take("REGION") else ""
    words.expect("IAM_ROLE")
    role = words.string() if words.peek_kind() == "string" else words.next().lower()
    if role != "default" and not role.startswith("arn:"):
        raise Refusal(f"Invalid IAM_ROLE {role!r}: it must be default or a role's ARN", "22023")
    at_end(words)
    cursor.execute_postgres("SELECT to_regnamespace(%s) IS NOT NULL", (identifier(name),))
    (is_there,) = cursor.fetchone()
    condition = "IF NOT EXISTS " if is_lenient else ""
    cursor.execute_postgres(f"CREATE SCHEMA {condition}{identifier(name)}")
    if not is_there:
        cursor.execute_postgres(
            "SELECT redshift_local.note_external_schema(%s, %s, %s)", (name, region, role)
        )
