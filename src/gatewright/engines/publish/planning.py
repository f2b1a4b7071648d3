"""One zone at its provider: what would have to change there (`Publication.plan`), and doing that (`Publication.apply`).

octoDNS reads the zone, compares and writes; `marks` decides in between what may be compared at all.  Counterpart:
`reviewed`, which holds what was planned once against what would be planned now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from gatewright.base.errors import UsageError
from gatewright.engines.publish import marks, providers, records
from gatewright.engines.publish.content import Action, Change, Identity, PublicZone, ZonePlan, digest
from gatewright.engines.publish.failures import PublishError, hidden, told
from gatewright.engines.publish.providers.provider import Client, Provider
from gatewright.engines.publish.settings import Settings

_LIBRARY_LOGGERS = ("Record", "Zone", "Plan")
_ACTIONS = {"Create": Action.CREATE, "Update": Action.UPDATE, "Delete": Action.DELETE}
_KEPT = ("comment", "tags")
"""What people write beside a record at Cloudflare."""


class Publication:
    """One zone, looked at once.  Network I/O in the constructor and in `apply`; not thread-safe."""

    def __init__(
        self,
        zone: PublicZone,
        adopt: Collection[str] = (),
        *,
        patient: bool = False,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Look at the zone and compare.  `say` is told when a provider makes us wait.

        UsageError for mistakes in the settings, PublishError when the provider cannot be asked or has no such zone.
        """
        provider = providers.provider(zone.provider)
        if provider is None:
            raise UsageError(f"{zone.provider or 'a zone without provider'} is none that Gatewright writes to")
        self._zone = zone
        self._settings = providers.settings(provider, zone.settings)
        self._where = f"{zone.domain} at {provider.name}"
        with told(self._where, self._settings.secrets):
            self._client = open_client(provider, self._settings, patient=patient, say=say)
            desired, refused = records.wanted(zone.domain, zone.records, provider, self._client)
            compare = _Comparing(zone, adopt)
            self._planned = self._client.plan(desired, processors=[compare])
            if self._planned is not None and not self._planned.exists:
                self._must_exist()
            self.plan = ZonePlan(
                zone.id, zone.domain, provider.name, self._changes(), compare.decision.left, refused, compare.desired,
                compare.existing, self._unsafe(),
            )  # fmt: skip

    def apply(self) -> int:
        """Make the changes of the plan; how many there were.  PublishError: some of them may have been made."""
        if self._planned is None:
            return 0
        with told(self._where, self._settings.secrets):
            self._client.apply(self._planned)
        return len(self.plan.changes)

    def _must_exist(self) -> None:
        """PublishError when the provider has no such zone: nobody asked us to create one."""
        listed = getattr(self._client, "list_zones", None)
        if listed is None or f"{self._zone.domain}." not in listed():
            raise PublishError(f"{self._where}: there is no such zone, or these credentials do not see it")

    def _changes(self) -> tuple[Change, ...]:
        return tuple(map(self._change, self._planned.changes)) if self._planned is not None else ()

    def _change(self, change: Any) -> Change:
        old = records.record_set(change.existing) if change.existing is not None else None
        new = records.record_set(change.new) if change.new is not None else None
        item = new or old
        assert item is not None
        is_mark = marks.is_mark(item.identity, self._zone.domain)
        return Change(_ACTIONS[type(change).__name__], item.name, item.type, old, new, is_mark)

    def _unsafe(self) -> str:
        """Why octoDNS takes the plan for dangerous, "" when it does not.  Marks do not count."""
        from octodns.provider.plan import Plan, UnsafePlan  # type: ignore[import-untyped]

        if self._planned is None:
            return ""
        counted = self._planned.existing.copy()
        for record in self._planned.existing.records:
            if self._is_mark(record):
                counted.remove_record(record)
        changes = [change for change in self._planned.changes if not self._is_mark(change.record)]
        try:
            Plan(counted, self._planned.desired, changes, self._planned.exists).raise_if_unsafe()
        except UnsafePlan as error:
            return str(error).partition("] ")[2].removesuffix(", force required") or str(error)
        return ""

    def _is_mark(self, record: Any) -> bool:
        return marks.is_mark(records.record_set(record).identity, self._zone.domain)


class _Comparing:
    """A processor of octoDNS: leaves to be compared only what `marks` allows."""

    def __init__(self, zone: PublicZone, adopt: Collection[str]) -> None:
        self._zone = zone
        self._adopt = adopt
        self.decision = marks.Decision((), frozenset(), frozenset())
        self.desired = ""
        self.existing = ""

    def process_target_zone(self, existing: Any, target: Client, lenient: bool = False) -> Any:
        return existing

    def process_source_and_target_zones(
        self, desired: Any, existing: Any, provider: Client, lenient: bool = False
    ) -> tuple[Any, Any]:
        domain, owner = self._zone.domain, self._zone.owner
        wanted, found = records.record_sets(desired), records.record_sets(existing)
        self.decision = decision = marks.decide(wanted, found, domain, owner, self._adopt)
        names = marks.concerned(wanted, found, domain, owner)
        self.desired = digest(wanted.values(), owner)
        self.existing = digest(item for item in found.values() if item.name in names)
        left = {item.wanted.identity for item in decision.left}
        kept = self._filter(existing, lambda identity: identity in decision.ours)
        asked = self._filter(desired, lambda identity: identity not in left)
        for identity in sorted(decision.marks):
            asked.add_record(records.mark(asked, identity, owner), lenient=True)
        _keep_remarks(asked, kept)
        return asked, kept

    def _filter(self, zone: Any, chosen: Callable[[Identity], bool]) -> Any:
        """The zone without the record sets that are not chosen."""
        for record in list(zone.records):
            if not chosen(records.record_set(record).identity):
                zone.remove_record(record)
        return zone


def _keep_remarks(desired: Any, existing: Any) -> None:
    """Cloudflare's comments and tags are not described anywhere, so those that are there stay."""
    remarks = {record: record.octodns.get("cloudflare", {}) for record in existing.records}
    for record in desired.records:
        kept = {name: value for name, value in remarks.get(record, {}).items() if name in _KEPT}
        if kept:
            record.octodns.setdefault("cloudflare", {}).update(kept)


def open_client(
    provider: Provider, settings: Settings, *, patient: bool, say: Callable[[str], None] | None = None
) -> Client:
    """A client of octoDNS.  Of what it logs only warnings are passed on, to `say`, without secrets."""
    client = provider.open(provider.name, settings.values, patient)
    for logger in (client.log, *map(logging.getLogger, _LIBRARY_LOGGERS)):
        logger.propagate = False
        logger.handlers = [logging.NullHandler()]
    if say is not None:
        client.log.addHandler(_Passing(say, settings.secrets))
    return client


class _Passing(logging.Handler):
    """Tells of warnings; errors come as exceptions."""

    def __init__(self, say: Callable[[str], None], secrets: tuple[str, ...]) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        self._secrets = secrets

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            self._say(hidden(record.getMessage(), self._secrets))
