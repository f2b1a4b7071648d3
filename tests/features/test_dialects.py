"""Every case of a dialect: Problems, the model's word, a real Envoy's answers, and those of the original server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest

from gatewright.kinds import compatibility
from gatewright.kinds.annotations.readers import READERS
from gatewright.kinds.features import Compatibility, Support
from support import dialects, needs, originals
from support.dialects import Built, Case

T = TypeVar("T")
CASES = [case for suite in dialects.suites() for case in dialects.cases(suite)]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cache
def _built(suite: Path) -> Built:
    with TemporaryDirectory() as folder:
        return dialects.build(suite, Path(folder))


@each
def test_problems(case: Case) -> None:
    found = _built(case.path.parent).problems
    assert tuple(sorted(found[case.path.stem])) == case.problems


@pytest.mark.parametrize("suite", dialects.suites(), ids=lambda suite: suite.name)
def test_doors_have_no_problems(suite: Path) -> None:
    assert not _built(suite).problems["door"]


@each
def test_model(case: Case) -> None:
    built = _built(case.path.parent)
    found = [line for ask in case.asks if (line := dialects.modelled(ask, built.graph))]
    assert not found, "\n".join(found)


HONOURED = (Support.HONOURED, Support.DIFFERENT, Support.SLIGHT)
ELSEWHERE: dict[str, str] = dialects.elsewhere()


def _shown(dialect: Compatibility) -> set[str]:
    """The features that cases show, by their names in this table.

    A key of a ConfigMap is shown by the annotation of the same name, and an annotation by one with another prefix,
    where one function reads both.
    """
    shown = {feature for case in CASES for feature in case.features} | ELSEWHERE.keys()
    own = [reader for reader in READERS if dialect in reader.compatibility]
    twins = [reader for reader in READERS for one in own if reader.read is one.read]
    bare = {name.removeprefix(reader.prefix) for reader in twins for name in shown}
    return shown | bare | {f"{reader.prefix}{name}" for reader in own for name in bare}


@pytest.mark.parametrize("dialect", compatibility.DIALECTS, ids=lambda dialect: dialect.title)
def test_every_feature_that_has_an_effect_has_a_case(dialect: Compatibility) -> None:
    shown = _shown(dialect)
    assert not [one.name for one in dialect.features if one.support in HONOURED and one.name not in shown]


def test_cases_show_features_that_there_are() -> None:
    known = {feature.name for dialect in compatibility.DIALECTS for feature in dialect.features}
    assert not {f"{case.name}: {feature}" for case in CASES for feature in case.features if feature not in known}
    assert not ELSEWHERE.keys() - known


@pytest.mark.parametrize(("feature", "path"), sorted(ELSEWHERE.items()))
def test_what_is_shown_elsewhere_is(feature: str, path: str) -> None:
    assert feature.rpartition("/")[2] in (needs.REPOSITORY / path).read_text(encoding="utf-8")


class Gateways:
    """One Envoy for each suite that is asked for, on a loop of its own, until the tests are done."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._worlds: dict[Path, Any] = {}

    def ask(self, case: Case) -> list[str]:
        return self._run(self._ask(case))

    async def _ask(self, case: Case) -> list[str]:
        suite = case.path.parent
        built = _built(suite)
        if suite not in self._worlds:
            self._worlds[suite] = await self._stack.enter_async_context(dialects.served(built))
        return await dialects.through_envoy(case, built, self._worlds[suite])

    def close(self) -> None:
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()


@pytest.fixture(scope="module")
def gateways() -> Iterator[Gateways]:
    needs.package("envoy")
    needs.package("grpc")
    opened = Gateways()
    yield opened
    opened.close()


@pytest.mark.real
@each
def test_envoy(case: Case, gateways: Gateways) -> None:
    found = gateways.ask(case)
    assert not found, "\n".join(found)


@pytest.mark.real
@pytest.mark.parametrize(
    ("case", "program"),
    [(case, program) for case in CASES for program in ("nginx", "haproxy") if program in case.originals],
    ids=lambda value: value.name if isinstance(value, Case) else value,
)
def test_original(case: Case, program: str, tmp_path: Path) -> None:
    found = asyncio.run(originals.through_original(case, program, tmp_path))
    assert not found, "\n".join(found)
