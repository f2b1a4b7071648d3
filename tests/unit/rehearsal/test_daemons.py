"""Files of daemons stay in the folder of the world."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright.base.errors import EngineError
from gatewright.rehearsal import daemons
from gatewright.rehearsal.world import File


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    daemons.write(tmp_path / "world", [File("names/a/x.conf", b"content")])
    assert (tmp_path / "world/names/a/x.conf").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["../x", "names/../../x", "edge-/../../x.json", "/etc/x"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(EngineError, match="no file of the rehearsal's own folder"):
        daemons.write(tmp_path / "world", [File(path, b"content")])
    assert not list(tmp_path.rglob("x*"))
