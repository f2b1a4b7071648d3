"""Certificates beside the gateways: what the graph wants is got by the engine; what it got is input of the next pass.

    State → wanted → Manager → Issued → Model.provide → State → Envoy

Issuers of the manifests are asked when the user says so (`described`); those that are Secrets of the manifests (CA,
SelfSigned) always are.  Counterparts: `dataplane`, which serves certificates; `engines.certificates`, which gets them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from gatewright import pipeline
from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin, made
from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.issued import CertificateStatus, Issued, State
from gatewright.engines.certificates.local import local_obtainer
from gatewright.engines.certificates.manager import Counts, Manager
from gatewright.engines.certificates.obtaining import Obtainer
from gatewright.graph import issuing
from gatewright.graph.analysis import Analysis
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.material import SecretIntent
from gatewright.runtime.options import CertificateOptions

if TYPE_CHECKING:
    from gatewright.engines.certificates.solvers.choose import Offers

_log = logging.getLogger(__name__)

ACME = "acme"
LOCAL = frozenset({"ca", "selfSigned"})
"""The types of issuers that need nobody else."""


class Tell(Struct, frozen=True):
    """Who is told: `renewed` when a door's own issuer has something new for it, `changed` when a status differs."""

    renewed: Callable[[], None]
    changed: Callable[[], None]


class Certificates:
    """The wanted certificates of a run.  `provide` takes Secrets into the model, `offers` is asked for ACME issuers."""

    def __init__(
        self,
        folder: Path,
        options: CertificateOptions,
        analysis: Analysis,
        offers: Callable[[], Offers],
        provide: Callable[[Mapping[Key, Intent | None]], Awaitable[object]],
        tell: Tell,
    ) -> None:
        self._folder = folder
        self._options = options
        self._analysis = analysis
        self._offers = offers
        self._provide = provide
        self._tell = tell
        self._manager = Manager(folder, self._obtainer, self._deliver, self._flush, time.time, random.SystemRandom())
        self._targets: frozenset[Key] = frozenset()
        self._issuers: dict[Key, set[Key]] = {}
        """The targets that name each issuer, and the other way round in `_named`."""
        self._named: dict[Key, frozenset[Key]] = {}
        self._faults: dict[Key, tuple[Problem, ...]] = {}
        self._obtainers: dict[Key, tuple[Issuer, Obtainer]] = {}
        self._making = threading.Lock()
        self._got: dict[Key, Intent | None] = {}
        self._given: dict[Key, SecretIntent] = {}
        """Secrets that are ours now, whatever the manifests hold under their names."""
        self._doors: dict[Key, dict[str, tuple[Wanted, Issued]]] = {}
        self._at_doors = False
        self._origins: dict[str, Origin] = {}
        self._statuses: tuple[CertificateStatus, ...] | None = None
        self._arrived = asyncio.Event()

    def start(self) -> Mapping[Key, Intent | None]:
        """Want what the graph wants; the Secrets that earlier runs have got."""
        self._analysis.keep(issuing.targets)
        self._want(self._analysis.answer(issuing.targets))
        return self._take_got()

    def apply(self, state: pipeline.State) -> None:
        """Want what is wanted now; O(change)."""
        ours = {key: self._given.pop(key) for key in state.reclaimed if key in self._given}
        targets = set(ours)
        for question, args in state.concerned:
            key = next(iter(args), None)
            if isinstance(key, Key) and question in (issuing.wanted, issuing.faults):
                targets.add(key)
            elif isinstance(key, Key) and question is issuing.issuer:
                targets |= self._issuers.get(key, set())
        if (issuing.targets, ()) in state.concerned:
            targets |= self._analysis.answer(issuing.targets) ^ self._targets
        if targets:
            self._want(targets)
            self._analysis.sweep()
        self._restore(ours)

    def _restore(self, ours: Mapping[Key, SecretIntent]) -> None:
        """Of Secrets that a user has saved meanwhile, those that are of no use leave ours in use."""
        for key, secret in ours.items():
            wanted = self._analysis.answer(issuing.wanted, key) if key in self._targets else ()
            if wanted and not any(one.present for one in wanted):
                self._got[key] = self._given[key] = secret
                self._arrived.set()

    async def run(self) -> None:
        """Get what is due, and hand it on, until cancelled."""
        await asyncio.gather(self._manager.run(), self._hand_on())

    @property
    def is_idle(self) -> bool:
        """Is nothing being got, or about to be?"""
        return not self._manager.running and self._manager.next_moment() > time.time()

    def retry(self) -> None:
        """Try again at once what has failed, and look at the clock, which may have been set."""
        self._manager.retry()
        self._manager.poke()

    def issued(self, gateway: Key, name: str) -> Issued | None:
        """What a door's own issuer has for a name."""
        for wanted, issued in self._doors.get(gateway, {}).values():
            if any(hostnames.matches(one, name, Depth.ONE) for one in wanted.names):
                return issued
        return None

    def statuses(self) -> tuple[CertificateStatus, ...]:
        """How each stands; made anew only when something has happened."""
        if self._statuses is None:
            self._statuses = self._manager.statuses()
        return self._statuses

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What cannot be had as described, and what was tried in vain."""
        described = dict.fromkeys(problem for target in sorted(self._faults) for problem in self._faults[target])
        failed = (one for one in self.statuses() if one.state in (State.FAILED, State.UNUSABLE))
        return (*described, *(self._failure(one) for one in failed))

    def _failure(self, status: CertificateStatus) -> Problem:
        """A mistake where it is asked for; on loopback, where the private CA serves instead, a note."""
        in_use = status.not_after > time.time()
        severity = Severity.WARNING if in_use else Severity.ERROR if self._options.described else Severity.INFO
        stays = "the one in use stays" if in_use else "one of the private CA is served"
        message = f"no certificate for {status.id}, {stays}: {status.message}"
        hint = "it is tried again: gatewright status says when, SIGHUP does so at once"
        if status.state is State.UNUSABLE:
            hint = "no attempt can help; it is tried again when the description changes, or on SIGHUP"
        return Problem("certificate-failed", message, self._origins.get(status.id), severity, hint)

    @property
    def counts(self) -> Counts:
        """What happened since the start."""
        return self._manager.counts

    # --- what is wanted ---

    def _want(self, targets: Iterable[Key]) -> None:
        asked: dict[Key, tuple[Wanted, ...]] = {}
        issuers: dict[Key, Issuer | None] = {}
        self._targets = self._analysis.answer(issuing.targets)
        for target in targets:
            before = self._named.pop(target, frozenset())
            if target in self._targets:
                self._analysis.keep(issuing.wanted, target)
                found = self._analysis.answer(issuing.wanted, target)
                self._named[target] = frozenset(one.issuer for one in found)
                # What the graph finds in a Secret of ours is what we gave: no reason to do without something newer.
                if target in self._given:
                    found = tuple(structs.replace(one, present=0.0) for one in found)
                asked[target] = tuple(one for one in found if self._is_asked(one, issuers))
            else:
                self._analysis.drop(issuing.wanted, target)
                asked[target] = ()
            self._let_go(target, before - self._named.get(target, frozenset()))
            self._judge(target)
            self._withdraw(target, {one.id for one in asked[target]})
        self._manager.want(asked, issuers)
        self._statuses = None

    def _let_go(self, target: Key, issuers: Iterable[Key]) -> None:
        """These it names no more."""
        for key in issuers:
            users = self._issuers[key]
            users.discard(target)
            if not users:
                del self._issuers[key]
                self._analysis.drop(issuing.issuer, key)

    def _judge(self, target: Key) -> None:
        """Note why it cannot be had as it is described; who asks no issuer need not know."""
        if target in self._targets and self._options.described:
            self._analysis.keep(issuing.faults, target)
            found = self._analysis.answer(issuing.faults, target)
        else:
            self._analysis.drop(issuing.faults, target)
            found = ()
        if found:
            self._faults[target] = found
        else:
            self._faults.pop(target, None)

    def _is_asked(self, wanted: Wanted, issuers: dict[Key, Issuer | None]) -> bool:
        """Note an issuer that somebody names, among `issuers` as it is now.  Is it asked at all?"""
        key = wanted.issuer
        self._analysis.keep(issuing.issuer, key)
        self._issuers.setdefault(key, set()).add(wanted.target)
        issuers[key] = issuer = self._analysis.answer(issuing.issuer, key)
        if not self._options.described and (issuer is None or issuer.intent.type not in LOCAL):
            return False
        self._origins[wanted.id] = wanted.origin
        return True

    def _obtainer(self, issuer: Issuer, _wanted: Wanted) -> Obtainer:
        """The one of an issuer, for all attempts with it share its account and connections; called in their threads."""
        with self._making:
            known = self._obtainers.get(issuer.intent.key)
            if known is None or known[0] != issuer:
                known = self._obtainers[issuer.intent.key] = (issuer, self._made(issuer))
            return known[1]

    def _made(self, issuer: Issuer) -> Obtainer:
        if issuer.intent.type != ACME:
            return local_obtainer(issuer)
        from gatewright.engines.certificates.orders import AcmeObtainer, AcmeOptions
        from gatewright.engines.certificates.solvers.choose import Chooser

        options = AcmeOptions(server=self._options.server, trust_file=self._options.trust_file, tell=_log.warning)
        return AcmeObtainer(self._folder, issuer, options, Chooser(issuer, self._offers()))

    # --- what was got ---

    def _deliver(self, wanted: Wanted, issued: Issued) -> None:
        if wanted.target.kind == "Secret":
            self._got[wanted.target] = self._given[wanted.target] = _secret(wanted, issued)
        else:
            self._doors.setdefault(wanted.target, {})[wanted.id] = (wanted, issued)
            self._at_doors = True

    def _withdraw(self, target: Key, kept: Collection[str]) -> None:
        """Take back what was got for a target, but for those ids."""
        doors = self._doors.get(target, {})
        gone = doors.keys() - kept
        for id in gone:
            del doors[id]
        self._at_doors |= bool(gone)
        if not kept and target in self._given:
            del self._given[target]
            self._got[target] = None

    def _flush(self) -> None:
        self._statuses = None
        self._arrived.set()

    async def _hand_on(self) -> None:
        while await self._arrived.wait():
            self._arrived.clear()
            got, doors = self._take_got(), self._at_doors
            self._at_doors = False
            if got:
                await self._provide(got)
            if doors:
                self._tell.renewed()
            self._tell.changed()

    def _take_got(self) -> Mapping[Key, Intent | None]:
        got, self._got = self._got, {}
        return got


def _secret(wanted: Wanted, issued: Issued) -> SecretIntent:
    """The Secret as cert-manager would write it."""
    data = [("tls.crt", Sensitive(issued.chain)), ("tls.key", issued.key)]
    if issued.ca:
        data.append(("ca.crt", Sensitive(issued.ca)))
    origin = made(f"a certificate of {wanted.issuer}")
    return SecretIntent(wanted.target, origin, "kubernetes.io/tls", tuple(data))
