"""AUTO REFRESH: streaming views are refreshed in the background while the servers are up."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import psycopg2

from src.local_cloud.redshift.refusals import raised_by_server
from src.local_cloud.redshift.statements.streaming.refreshing import refresh_stream
from src.local_cloud.redshift.statements.streaming.stream_views import stream_view_of
from src.sql.cursors import Cursor

EVERY_S = 1.0  # Redshift promises no time
LONGEST_PAUSE = 60  # rounds that a view which cannot be refreshed is left out at most
logger = logging.getLogger(__name__)


class BackgroundRefresh:
    """A thread that looks for such views; its connection is opened at its first look."""

    def __init__(self, connect: Callable[[], Any], every_s: float = EVERY_S) -> None:
        self._connect, self._every_s = connect, every_s
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="auto-refresh", daemon=True)
        self._connection: Any = None
        self._failures: dict[int, tuple[int, int]] = {}  # by view: in a row, rounds to wait

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the refresh that is under way; nothing of it is lost in any case."""
        self._is_stopped.set()
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.cancel()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._is_stopped.wait(self._every_s):
            try:
                self._round()
            except psycopg2.Error as error:
                logger.info("no automatic refresh: %s", error)
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
        if self._connection is not None:
            self._connection.close()

    def _round(self) -> None:
        if self._connection is None:
            self._connection = self._connect()
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute_postgres("SELECT redshift_local.automatic_views()")
            for (oid,) in cursor.fetchall():
                failures, pause = self._failures.get(oid, (0, 0))
                if pause:
                    self._failures[oid] = (failures, pause - 1)
                elif self._refresh(oid, cursor):
                    self._failures.pop(oid, None)
                else:
                    self._failures[oid] = (failures + 1, min(2**failures, LONGEST_PAUSE))

    def _refresh(self, oid: int, cursor: Cursor) -> bool:
        """Refresh one view; tells whether it could be. The history has a row in either case."""
        try:
            with raised_by_server(cursor.execute_postgres):
                view = stream_view_of(oid, cursor)
                if view is not None:
                    refresh_stream(view, "", cursor, "Auto")
        except psycopg2.Error as error:
            if self._connection.closed:
                raise
            logger.warning("the automatic refresh of a view failed: %s", error)
            return False
        return True
