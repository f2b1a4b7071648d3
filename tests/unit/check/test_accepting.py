"""What owners accept: for their own document, by the finding's id or its rule's, until the date."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from support import checked
from support.keys import NOW

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: apps
  annotations:
    nginx.ingress.kubernetes.io/proxy-set-header: "X-A b"
{more}spec:
  ingressClassName: nginx
  rules: [{{host: {name}.example.com}}]
"""


def found(folder: Path, **more: str) -> tuple[list[str], list[str]]:
    """The places of `annotation-unknown` that count and that are accepted, and the ids that tell of idle words."""
    for name in ("one", "two"):
        word = more.get(name)
        line = f'    gatewright.dev/ignore: "{word}"\n' if word else ""
        (folder / f"{name}.yaml").write_text(INGRESS.format(name=name, more=line))
    report, model = checked.examined(folder)
    told = [
        Path(model.locator.locate(origin).file).stem
        for finding in report.findings
        if finding.id == "annotation-unknown"
        for origin in finding.origins
    ]
    return sorted(told), [item.id for item in report.findings if item.id.startswith("suppression-")]


def test_one_message_at_two_places_is_one_finding(tmp_path: Path) -> None:
    assert found(tmp_path) == (["one", "two"], [])


def test_what_one_owner_accepts_still_counts_for_the_other(tmp_path: Path) -> None:
    assert found(tmp_path, one="annotation-unknown: we know") == (["two"], [])


def test_a_date_ends_it(tmp_path: Path) -> None:
    tomorrow, today = NOW.date() + timedelta(days=1), NOW.date()
    assert found(tmp_path, one=f"annotation-unknown until {tomorrow}: later") == (["two"], [])
    assert found(tmp_path, one=f"annotation-unknown until {today}: later") == (["one", "two"], ["suppression-expired"])


def test_a_word_that_nothing_needs_is_told(tmp_path: Path) -> None:
    assert found(tmp_path, one="cidr-overlap: once") == (["one", "two"], ["suppression-unused"])


def test_the_id_of_the_rule_counts_for_what_it_lifts(tmp_path: Path) -> None:
    (tmp_path / "route.yaml").write_text(
        INGRESS.format(name="three", more='    gatewright.dev/ignore: "backend-unusable: it is made by a chart"\n')
        .replace("nginx.ingress.kubernetes.io/proxy-set-header", "example.com/note")
        .replace(
            "rules: [{host: three.example.com}]",
            "rules: [{host: three.example.com, http: {paths: [{path: /, pathType: Prefix, "
            "backend: {service: {name: gone, port: {number: 80}}}}]}}]",
        )
    )
    report, _ = checked.examined(tmp_path)
    assert [item.id for item, _ in report.suppressed] == ["backend-missing"]
    assert "suppression-unused" not in {item.id for item in report.findings}
