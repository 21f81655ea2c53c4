"""``dspcore list``: what is registered, of dspcore and of others."""

from __future__ import annotations

import json
from typing import Any

import click

from dspcore import registry
from dspcore.cli.table import table
from dspcore.errors import UserError

#: What may be listed, and the module whose import registers dspcore's own.
KINDS = {
    "autoencoders": "dspcore.latent",
    "controllers": "dspcore.style",
    "encoders": "dspcore.style",
    "estimators": "dspcore.patches",
    "gradients": "dspcore.blackbox.estimators",
    "hosts": "dspcore.blackbox.hosts",
    "refiners": "dspcore.patches",
}


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(kind: str, as_json: bool) -> None:
    """List what is known of a KIND.

    Autoencoders, controllers, encoders, estimators (of patches), gradients (of black boxes), hosts,
    refiners (of patches).

    Packages add their own by an entry point of the group "dspcore.<kind>".

    \b
    Example:
        dspcore list controllers
    """
    registry.imported(f"{KINDS[kind]}:__name__")
    rows = [{"name": name, **_facts(kind, name)} for name in registry.names(kind)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    head = [kind.removesuffix("s"), "from", "what it does"]
    click.echo(table(head, [[row["name"], row["from"], row["summary"]] for row in rows]))


def _facts(kind: str, name: str) -> dict[str, Any]:
    """Where it comes from, and the first line of its docstring; one that is broken says why."""
    try:
        item = registry.get(kind, name)
    except UserError as error:
        return {"from": "", "summary": f"cannot be used: {error}"}
    made = item if isinstance(item, type) else type(item)
    doc = (made.__doc__ or "").strip().partition("\n")[0]
    return {"from": made.__module__.partition(".")[0], "summary": doc.replace("``", "")}
