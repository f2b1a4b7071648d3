"""The ACME server of a world: there only where it may be used and is asked."""

import json
from pathlib import Path

import pytest

from gatewright.pipeline import Model
from gatewright.rehearsal.acme import CONFIGURATION, KEY, SPACE
from gatewright.rehearsal.plan import acme
from gatewright.rehearsal.world import Draft, World

MANIFESTS = """
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {{name: one}}
spec:
  acme: {{server: 'https://{0}/directory', privateKeySecretRef: {{name: a}}, solvers: [{{http01: {{ingress: {{}}}}}}]}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: app, namespace: web}}
spec: {{secretName: app, dnsNames: [app.example.com], issuerRef: {{kind: ClusterIssuer, name: one}}}}
"""
PUBLIC = "acme-v02.api.letsencrypt.org"


def _planned(tmp_path: Path, server: str, *programs: str) -> World:
    (tmp_path / "all.yaml").write_text(MANIFESTS.format(server))
    model = Model()
    model.read([str(tmp_path)])
    draft = Draft()
    draft.programs = frozenset(programs)
    model.analysis.answer(lambda sight: acme.plan(draft, sight))
    return draft.world()


def test_public_directories_have_a_server_on_the_internet(tmp_path: Path) -> None:
    world = _planned(tmp_path, PUBLIC, "pebble")
    address = next(end.addresses[0] for wire in world.wires for end in (wire.one, wire.other) if end.space == SPACE)
    files = {file.path: file for file in world.files}
    settings = json.loads(files[CONFIGURATION].content)["pebble"]
    assert settings["listenAddress"].startswith(f"{address.partition('/')[0]}:")
    assert files[KEY].secret
    assert [daemon.space for daemon in world.daemons] == [SPACE]


@pytest.mark.parametrize(
    ("server", "program"),
    [(PUBLIC, "named"), ("acme-staging-v02.api.letsencrypt.org", "pebble"), ("ca.home.arpa", "pebble")],
)
def test_nobody_else_needs_one(tmp_path: Path, server: str, program: str) -> None:
    assert _planned(tmp_path, server, program).daemons == ()
