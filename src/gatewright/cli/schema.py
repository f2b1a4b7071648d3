"""`gatewright schema`: the JSON Schema of the site map, for editors."""

from __future__ import annotations

from importlib import resources

import click
import msgspec

from gatewright.base.errors import UsageError

EPILOG = """\b
Examples:
  gatewright schema > site-map.schema.json
  and in the first line of a site map:
  # yaml-language-server: $schema=./site-map.schema.json
\b
docs/site-map.md explains every field.
"""


@click.command("schema", epilog=EPILOG)
@click.argument("kind", required=False)
def command(kind: str | None) -> None:
    """Print the JSON Schema of the site map, or of one KIND of it.

    An editor with yaml-language-server completes, checks and explains the fields of Site, Link, Firewall, Zone,
    Resolver, IngressController, Vantage and Expectation with it.
    """
    text = (resources.files("gatewright") / "schemas" / "site-map.json").read_text(encoding="utf-8")
    if kind is None:
        click.echo(text, nl=False)
        return
    definitions = msgspec.json.decode(text)["definitions"]
    known = {name.lower(): name for name in definitions}
    name = known.get(kind.lower())
    if name is None:
        raise UsageError(f"{kind} is no kind of the site map (those are: {', '.join(definitions)})")
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", **definitions[name]}
    click.echo(msgspec.json.format(msgspec.json.encode(schema), indent=1).decode())
