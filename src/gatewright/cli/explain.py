"""`gatewright explain`: the page of a rule."""

from __future__ import annotations

import click

from gatewright.base.errors import UsageError
from gatewright.check.rule import Rule
from gatewright.check.rules import RULES
from gatewright.cli import complete, output

EPILOG = """\b
Examples:
  gatewright explain                 list all rules
  gatewright explain cidr-overlap    why it hurts, how it looks, how it is mended
"""


@click.command("explain", epilog=EPILOG)
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True,
    help="How to print it.",
)  # fmt: skip
@click.argument("rule", required=False, metavar="[ID]", shell_complete=complete.rules)
def command(form: str, rule: str | None) -> None:
    """Explain a finding of `gatewright check`; without ID, list the rules."""
    if rule is None:
        click.echo(_list() if form == "text" else output.machine({"rules": [_document(item) for item in RULES]}, form))
        return
    found = next((item for item in RULES if rule == item.id or rule in item.lifts), None)
    if found is None:
        known = {item.id for item in RULES} | {problem for item in RULES for problem in item.lifts}
        raise UsageError(f"there is no rule {rule}{output.suggestion(rule, known)}; gatewright explain lists them")
    click.echo(_page(found) if form == "text" else output.machine(_document(found), form))


def _list() -> str:
    width = max((len(item.id) for item in RULES), default=0)
    return "\n".join(
        f"{item.id:<{width}}  {_severity(item, 7)}  {item.title}" for item in sorted(RULES, key=lambda item: item.id)
    )


def _severity(rule: Rule, width: int = 0) -> str:
    return click.style(f"{rule.severity.value:<{width}}", fg=output.COLOURS[rule.severity])


def _page(rule: Rule) -> str:
    head = f"{click.style(rule.id, bold=True)} ({_severity(rule)})"
    lifted = f"\n\nAlso reported as: {', '.join(rule.lifts)}" if rule.lifts and rule.lifts != (rule.id,) else ""
    return f"{head}\n\n{_wrapped(rule.page.strip())}{lifted}"


def _wrapped(page: str) -> str:
    """The page as wide as the terminal; lists and what is indented (manifests) stay as they are."""
    return "\n\n".join(
        part if part.startswith((" ", "- ")) else "\n".join(output.paragraph(part, indent="", hanging=""))
        for part in page.split("\n\n")
    )


def _document(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.value,
        "scope": rule.scope.value,
        "page": rule.page.strip(),
        "problems": list(rule.lifts),
    }
