"""Hosts by name, as workers ask for them."""

from __future__ import annotations

from functools import cache

from dspcore import registry
from dspcore.blackbox import hosts
from dspcore.blackbox.plugin import Host


@cache
def host(name: str) -> Host:
    """The one host of that name in this process.

    Args:
        name: One of `hosts.names()`, or ``"module:Class"`` itself.

    Raises:
        UserError: There is no such host.
    """
    if ":" not in name:
        return hosts.get(name)
    made: Host = registry.imported(name)()
    return made
