"""Hosts of plug-in formats, one small file or folder each; loaded when they are asked for."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import cast

from dspcore.blackbox.plugin import Host
from dspcore.errors import UserError, nearest

__all__ = ["HOSTS", "get", "names"]

#: Name and place of each host, in the order in which a short name is looked up.
HOSTS = {
    "lv2": "dspcore.blackbox.hosts.lv2:LV2",
    "clap": "dspcore.blackbox.hosts.clap:CLAP",
    "ladspa": "dspcore.blackbox.hosts.ladspa:LADSPA",
    "pedalboard": "dspcore.blackbox.hosts.pedalboard:Pedalboard",
    "dawdreamer": "dspcore.blackbox.hosts.dawdreamer:DawDreamer",
    "function": "dspcore.blackbox.hosts.function:Functions",
}

#: Entry points of other packages that bring a host: name = "package.module:Class".
GROUP = "dspcore.hosts"


def names() -> list[str]:
    """Every host that is known, other packages' after our own."""
    return list(HOSTS | _others())


@cache
def get(name: str) -> Host:
    """The host called `name`, one for this process; nothing foreign is loaded yet.

    Raises:
        UserError: There is no such host.
    """
    places = _others() | HOSTS
    if name not in places:
        raise UserError(f"host: unknown {name!r}; {nearest(name, places)}")
    module, _, member = places[name].partition(":")
    return cast(Host, getattr(importlib.import_module(module), member)())


@cache
def _others() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=GROUP)}
