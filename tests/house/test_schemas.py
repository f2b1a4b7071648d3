"""The schema of the site map is current, and its page tells of every field and of no other."""

from __future__ import annotations

import pytest

from gatewright.kinds import lower
from gatewright.kinds.decode import Object
from support import schemas
from support.lowering import document

IDS = [struct.__name__ for struct in schemas.STRUCTS]
CONFIGURATION = ".configMap"
"""Configurations are explained once for all kinds."""


def fields_of(struct: type[Object]) -> set[str]:
    found = schemas.fields(schemas.of(struct)["properties"]["spec"])
    return {path for path, _ in found if not path.startswith(f"config{CONFIGURATION}")}


def test_the_shipped_schema_is_current() -> None:
    assert schemas.SHIPPED.read_text(encoding="utf-8") == schemas.text(), "run scripts/schemas"


@pytest.mark.parametrize("struct", schemas.STRUCTS, ids=IDS)
def test_the_page_tells_of_every_field_and_of_no_other(struct: type[Object]) -> None:
    assert set(schemas.descriptions(struct.__name__)) == fields_of(struct)


def test_every_field_is_explained_in_the_schema() -> None:
    for struct in schemas.STRUCTS:
        for path, field in schemas.fields(schemas.of(struct)["properties"]["spec"]):
            assert field.get("description") or CONFIGURATION in path, (struct.__name__, path)


@pytest.mark.parametrize("kind", IDS)
def test_the_examples_of_the_page_have_no_fault(kind: str) -> None:
    documents = schemas.examples(kind)
    assert kind in {item["kind"] for item in documents}
    for item in documents:
        lowered = lower(document(item))
        assert lowered is not None
        assert lowered.problems == ()
