"""Names of the temporary tables of a load: no two runs share one, and no user has one."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 63  # bytes: PostgreSQL's limit; Redshift's is 127


def staging_table(kind: str, table: str, run_id: str) -> str:
    """Return the quoted name of a temporary table: "raw_artists_20261126t042259z_ab12".

    A temporary table is created under it without a look at what exists, so that nothing is ever
    dropped but what the same transaction created.
    """
    name = f"{kind}_{table}_{run_id}".lower().replace("-", "_")
    if not re.fullmatch(rf"[a-z0-9_]{{1,{_LONGEST}}}", name):  # a run id of another form
        digest = hashlib.sha256(run_id.encode()).hexdigest()[:16]
        name = f"{kind}_{table}_{digest}"
    return f'"{name}"'
