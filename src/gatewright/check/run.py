"""Applies the rules and keeps their findings current: one change re-examines what it concerns.

A `Checker` stands on an Analysis.  Every subject (an object, a gateway, a VirtualHost, a backend, a hostname) is
examined by all rules of its scope in one remembered question, so that its findings stay until something that they read
changes.  Findings that differ only in whom they concern are one.  Counterpart: `rules`, one file each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import date

from msgspec import Struct, structs

from gatewright.base import collector
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.check.accepting import Words
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row, row
from gatewright.check.rule import Rule, Scope
from gatewright.graph.analysis import Analysis
from gatewright.graph.memo import Asked
from gatewright.graph.names import zones
from gatewright.graph.nodes import Change
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Suppression

Subject = tuple[Scope, Hashable]
Progress = Callable[[int, int], None]
"""Told (done, all) now and then."""

STEP = 500

SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.INFO)


class Report(Struct, frozen=True):
    """All that check found, in a stable order.  `suppressed`: what owners accepted, with the word of the owner."""

    findings: tuple[Finding, ...]
    matrix: tuple[Row, ...]
    suppressed: tuple[tuple[Finding, Suppression], ...] = ()


class Checker:
    """The findings and the matrix of one model.  Single-threaded, as the model is."""

    def __init__(self, analysis: Analysis, rules: tuple[Rule, ...]) -> None:
        self._analysis = analysis
        self._scopes: dict[Scope, list[Rule]] = defaultdict(list)
        for rule in rules:
            self._scopes[rule.scope].append(rule)
        self._lifting = {problem: rule for rule in rules for problem in rule.lifts}
        self._kinds = tuple({kind for rule in self._scopes[Scope.OBJECT] for kind in rule.kinds})
        self._findings: dict[Subject, tuple[Finding, ...]] = {}
        self._rows: dict[str, Row] = {}
        self._names: set[str] = set()

    def run(self, progress: Progress | None = None) -> None:
        """Examine everything."""
        with collector.paused():
            subjects = list(self._all())
            for done, subject in enumerate(subjects):
                if progress is not None and not done % STEP:
                    progress(done, len(subjects))
                self._keep(subject)
            self._analysis.sweep()

    def update(self, change: Change, concerned: Iterable[Asked]) -> None:
        """Bring up to date after a change of the model; `concerned` is what `Analysis.update` returned."""
        for subject in self._appeared(change):
            self._keep(subject)
        for question, args in concerned:
            if question == self._examine:
                self._settle((args[0], args[1]))  # type: ignore[arg-type]
        self._follow_names()
        self._analysis.sweep()

    def report(self, problems: Iterable[Problem], suppressions: Iterable[Suppression], today: date) -> Report:
        """Everything found, with the Problems that rules take as theirs, without what owners accepted."""
        words = Words(suppressions, {name: rule.id for name, rule in self._lifting.items()}, today)
        own, accepted = words.divide(_merged(item for findings in self._findings.values() for item in findings))
        # What one owner accepts in one document is not accepted in the others that say the same.
        lifted, more = words.divide(self._lifted(problem) for problem in problems if problem.origin is not None)
        findings = tuple(sorted((*own, *_gathered(lifted), *words.idle()), key=_order))
        rows = tuple(self._rows[host] for host in sorted(self._rows))
        return Report(findings, rows, tuple(sorted((*accepted, *more), key=lambda pair: _order(pair[0]))))

    # --- subjects ---

    def _all(self) -> Iterator[Subject]:
        for rule in self._scopes[Scope.WORLD]:
            yield Scope.WORLD, rule.id
        graph = self._analysis.graph
        if self._scopes[Scope.OBJECT]:
            yield from ((Scope.OBJECT, key) for key in self._analysis.objects.keys_of(self._kinds))
        if self._scopes[Scope.GATEWAY]:
            yield from ((Scope.GATEWAY, gateway_id) for gateway_id in graph.gateways)
        if self._scopes[Scope.VIRTUAL_HOST]:
            yield from ((Scope.VIRTUAL_HOST, key) for key in graph.virtual_hosts)
        if self._scopes[Scope.BACKEND]:
            yield from ((Scope.BACKEND, key) for key in graph.backends)
        self._names = self._hostnames()
        yield from ((Scope.NAME, name) for name in sorted(self._names))

    def _appeared(self, change: Change) -> Iterator[Subject]:
        if self._scopes[Scope.OBJECT]:
            for token in change.objects:
                if isinstance(token, Key) and isinstance(self._analysis.objects.intent(token), self._kinds):
                    yield Scope.OBJECT, token
        for scope, keys in (
            (Scope.GATEWAY, change.gateways),
            (Scope.VIRTUAL_HOST, change.virtual_hosts),
            (Scope.BACKEND, change.backends),
        ):
            if self._scopes[scope]:
                yield from ((scope, key) for key in keys)

    def _hostnames(self) -> set[str]:
        return {*self._analysis.names, *self._analysis.answer(zones.names)}

    def _follow_names(self) -> None:
        names = self._hostnames()
        for name in self._names - names:
            self._drop((Scope.NAME, name))
        for name in names - self._names:
            self._keep((Scope.NAME, name))
        self._names = names

    # --- examining ---

    def _keep(self, subject: Subject) -> None:
        self._analysis.keep(self._examine, *subject)
        self._settle(subject)

    def _drop(self, subject: Subject) -> None:
        self._analysis.drop(self._examine, *subject)
        self._findings.pop(subject, None)
        if subject[0] is Scope.NAME:
            self._rows.pop(str(subject[1]), None)

    def _settle(self, subject: Subject) -> None:
        findings, asked, exists = self._analysis.answer(self._examine, *subject)
        if not exists:
            self._drop(subject)
            return
        if findings:
            self._findings[subject] = findings
        else:
            self._findings.pop(subject, None)
        if subject[0] is Scope.NAME:
            if asked is not None:
                self._rows[asked.host] = asked
            else:
                self._rows.pop(str(subject[1]), None)

    def _examine(self, sight: Sight, scope: Scope, key: Hashable) -> tuple[tuple[Finding, ...], Row | None, bool]:
        """The question: what all rules of a scope say of one subject; its row of the matrix; whether it exists."""
        if scope is Scope.WORLD:
            (rule,) = (rule for rule in self._scopes[scope] if rule.id == key)
            return tuple(rule.check(sight)) if rule.check else (), None, True
        subject = _subject(sight, scope, key)
        if subject is None:
            return (), None, scope is Scope.NAME
        findings: list[Finding] = []
        for rule in self._scopes[scope]:
            if rule.check is not None and (scope is not Scope.OBJECT or isinstance(subject, rule.kinds)):
                findings += rule.check(sight, subject)
        return tuple(findings), subject if isinstance(subject, Row) else None, True

    def _lifted(self, problem: Problem) -> Finding:
        """A Problem as a Finding, of the rule that takes it as its own."""
        assert problem.origin is not None
        rule = self._lifting.get(problem.id)
        most = rule.at_most if rule is not None and rule.at_most is not None else problem.severity
        return Finding(
            problem.id,
            max(problem.severity, most, key=SEVERITIES.index),
            problem.message,
            rule.consequence if rule is not None else "",
            problem.hint or (rule.fix if rule is not None else ""),
            (problem.origin,),
            snippet=problem.snippet,
        )


def _subject(sight: Sight, scope: Scope, key: Hashable) -> object | None:
    match scope:
        case Scope.OBJECT:
            return sight.get(key, object)  # type: ignore[arg-type]
        case Scope.GATEWAY:
            return sight.gateway(key)  # type: ignore[arg-type]
        case Scope.VIRTUAL_HOST:
            return sight.virtual_host(key)  # type: ignore[arg-type]
        case Scope.BACKEND:
            return sight.backend(key)  # type: ignore[arg-type]
    return sight.ask(row, str(key))


# --- merging, ordering -------------------------------------------------------------


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that differ only in whom they concern, as one."""
    groups: dict[tuple[str, Severity, str, tuple[Origin, ...]], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.id, finding.severity, finding.message, finding.origins].append(finding)
    merged = []
    for group in groups.values():
        first = min(group, key=lambda item: (item.hosts, item.vantages, item.fix))
        if len(group) > 1:
            hosts = tuple(sorted({host for item in group for host in item.hosts}))
            vantages = tuple(sorted({name for item in group for name in item.vantages}))
            first = structs.replace(first, hosts=hosts, vantages=vantages)
        merged.append(first)
    return merged


def _gathered(findings: Iterable[Finding]) -> list[Finding]:
    """What is said in the same words at many places, as one."""
    groups: dict[tuple[str, Severity, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.id, finding.severity, finding.message, finding.fix].append(finding)
    return [
        structs.replace(group[0], origins=tuple(origin for item in group for origin in item.origins))
        for group in groups.values()
    ]


def _order(finding: Finding) -> tuple[int | str | tuple[str, ...], ...]:
    """A total one: which was found first is not to be seen."""
    first, *others = finding.origins
    return (
        SEVERITIES.index(finding.severity), finding.id, first.file, str(first.path), finding.message, first.document,
        str(others), finding.hosts, finding.vantages,
    )  # fmt: skip
