"""What the tests of journeys share: a small map in a folder of their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from support.home_and_cloud import World, built


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Builds the map of `home_and_cloud`; takes what to replace in it."""
    return partial(built, tmp_path)
