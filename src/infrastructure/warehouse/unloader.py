"""Large extracts: UNLOAD to S3 as Parquet, read it, and tidy up."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from src.domain.bucket_layout import UNLOAD_PREFIX, folder
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.storage.s3_storage import S3Storage, StoredObject
from src.sql.quoting import literal

if TYPE_CHECKING:
    import pandas as pd


class RedshiftUnloader:
    """Reads a query's result by way of S3, which the leader node's cursor is too narrow for."""

    def __init__(self, client: RedshiftClient, storage: S3Storage, *, iam_role: str) -> None:
        self._client = client
        self._storage = storage
        self._iam_role = iam_role

    def dataframe(self, query: str, name: str) -> pd.DataFrame:
        """Return the rows of a query, in no particular order; `name` is unique to the extract.

        The objects are deleted again, also when reading them fails.
        """
        import pandas as pd

        objects = self._unload(query, name)
        try:
            parts = [pd.read_parquet(io.BytesIO(self._storage.get(o.key))) for o in objects]
        finally:
            self._storage.delete([o.key for o in objects])
        if not parts:  # no row, no file: the columns are known all the same
            return self._client.query_dataframe(f"SELECT * FROM ({query}) AS no_rows LIMIT 0")
        return pd.concat(parts, ignore_index=True)

    def files(self, query: str, name: str) -> list[str]:
        """Write the rows of a query as Parquet; returns the files' addresses, none for no row."""
        return [self._storage.uri(o.key) for o in self._unload(query, name)]

    def delete(self, name: str) -> None:
        """Delete the files of an extract."""
        objects = self._storage.list_objects(folder(UNLOAD_PREFIX, name))
        self._storage.delete([o.key for o in objects])

    def _unload(self, query: str, name: str) -> list[StoredObject]:
        prefix = folder(UNLOAD_PREFIX, name)
        role = literal(self._iam_role) if self._iam_role else "default"
        self._client.execute(
            f"UNLOAD ({literal(query)}) TO {literal(self._storage.uri(prefix))} "
            f"IAM_ROLE {role} FORMAT AS PARQUET ALLOWOVERWRITE"
        )
        return list(self._storage.list_objects(prefix))
