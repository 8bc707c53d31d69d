"""A run's lineage for Amazon DataZone: its events one by one, each small enough to be taken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from src.errors import DemoError
from src.infrastructure.aws.account import AwsAccount
from src.infrastructure.aws.answers import AwsRefusal, asking
from src.json_object import JsonObject, JsonView

ACTIONS = ("datazone:PostLineageEvent", "datazone:ListLineageEvents")
MAX_BYTES = 300_000  # of an event


class DataZoneLineage:
    """Posts OpenLineage events to a domain of DataZone."""

    def __init__(self, account: AwsAccount, domain: str) -> None:
        self._client, self._domain = account.client("datazone", attempts=2), domain

    def post(self, events: Sequence[JsonView]) -> int:
        """Post what a run's stages have completed; returns how many events the domain refused.

        DataZone works on events later: those that it could not take since the run's start are
        asked for at the end. Raises DemoError where AWS refuses a call.
        """
        with asking("DataZone", where=f"domain {self._domain}", refused=_refused):
            for event in events:
                for part in _parts(event) if event["eventType"] == "COMPLETE" else ():
                    body = json.dumps(part).encode()
                    self._client.post_lineage_event(
                        domainIdentifier=self._domain,
                        event=body,
                        clientToken=hashlib.sha256(body).hexdigest(),  # a repeat is not a second
                    )
            found = self._client.list_lineage_events(
                domainIdentifier=self._domain,
                processingStatus="FAILED",
                timestampAfter=datetime.fromisoformat(events[0]["eventTime"]),
            )
        return len(found.get("items", []))


def _parts(event: JsonView) -> list[JsonObject]:
    """Return an event, or where it is too large one for each of its outputs."""
    whole = dict(event)
    if len(json.dumps(whole)) <= MAX_BYTES:
        return [whole]
    return [{**whole, "outputs": [output]} for output in whole["outputs"]]


def _refused(refusal: AwsRefusal) -> DemoError:
    return DemoError(f"DataZone refused {refusal.operation}: {refusal.code}", cause=refusal.text)
