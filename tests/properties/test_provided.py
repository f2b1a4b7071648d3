"""What is provided makes the same graph as a document that says the same, whatever was there before."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import kinds
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import Model
from gatewright.sources.files import FileSource
from support.keys import NOW, pair
from support.modelled import Manifest
from support.random_routes import installation
from support.rendered import rendered

PAIR = pair("gateway.test", "*.example.com", now=NOW)


@contextmanager
def _file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
        yield Path(folder, "all.yaml")


def _write(file: Path, documents: list[Manifest]) -> None:
    file.write_text("".join(f"---\n{json.dumps(one)}\n" for one in documents))


def _intents(file: Path) -> dict[Key, Intent]:
    """Every object of a file, as reading the file makes it."""
    found: dict[Key, Intent] = {}
    for document in FileSource().read([str(file)]).documents.values():
        lowered = kinds.lower(document)
        if lowered is not None and lowered.intent is not None:
            found[lowered.intent.key] = lowered.intent
    return found


def _read(file: Path) -> Model:
    model = Model(lambda: NOW)
    model.read([str(file)])
    return model


@given(st.integers(0, 200), st.integers(0, 200), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_provided_equals_described(seed: int, other: int, random: Random) -> None:
    with _file() as file:
        documents = installation(seed, PAIR.cert_pem, PAIR.key_pem)
        _write(file, documents)
        described, intents = rendered(_read(file).graph), _intents(file)
        chosen = {key for key in sorted(intents) if random.random() < 0.4}
        # Beside nothing, or beside a document of the same Key that says something else.
        rest = [one for one in documents if (one["kind"], one["metadata"]["name"]) not in _named(chosen)]
        beside = [one for one in installation(other) if (one["kind"], one["metadata"]["name"]) in _named(chosen)]
        _write(file, rest + (beside if random.random() < 0.5 else []))
        unprovided, left = rendered(_read(file).graph), _intents(file)
        model = _read(file)
        for key in random.sample(sorted(chosen), len(chosen)):
            model.provide({key: intents[key]})
        if left.keys() <= intents.keys():
            assert rendered(model.graph) == described
        model.provide(dict.fromkeys(chosen))
        assert rendered(model.graph) == unprovided


def _named(keys: set[Key]) -> set[tuple[str, str]]:
    return {(key.kind, key.name) for key in keys}
