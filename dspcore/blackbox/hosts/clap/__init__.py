"""CLAP plug-ins by cffi, effects and instruments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from dspcore.blackbox.hosts import _binary, _library, _places
from dspcore.blackbox.hosts.clap._callbacks import host
from dspcore.blackbox.hosts.clap._declarations import CLAP as DECLARATIONS
from dspcore.blackbox.hosts.clap._describe import describe, text
from dspcore.blackbox.hosts.clap._instance import CLAPInstance
from dspcore.blackbox.plugin import Found, PluginInfo
from dspcore.errors import UserError, nearest

__all__ = ["CLAP", "CLAPInstance"]


class CLAP:
    """CLAP by ``path:id``, the id left out where a file holds one plug-in."""

    name: ClassVar[str] = "clap"
    extra: ClassVar[str] = "plugins"

    def missing(self) -> str:
        """Why CLAP plug-ins cannot be used here; "" when they can."""
        return _library.missing(self.name)

    def installed(self) -> list[Path]:
        """The .clap files."""
        return _places.files("CLAP_PATH", "clap", ".clap")

    def find(self) -> Iterator[Found]:
        """The .clap files; `inside` says what one of them holds."""
        yield from (Found(str(path), path.stem) for path in self.installed())

    def inside(self, path: str) -> list[Found]:
        """The plug-ins of a file, which it loads."""
        return [Found(f"{path}:{text(each.id)}", text(each.name)) for each in _descriptors(path)]

    def info(self, identity: str) -> PluginInfo:
        """Ports, parameters, and the latency at the defaults and 48 kHz."""
        instance = self.open(identity, 48_000)
        instance.close()
        return instance.info

    def open(self, identity: str, sample_rate: int, block: int = 512) -> CLAPInstance:
        """A fresh instance; its library stays loaded."""
        path, wanted = _library.split(identity, ".clap")
        known = {text(each.id): each for each in _descriptors(path)}
        if wanted not in known and (wanted or len(known) != 1):
            what = f"has no plug-in {wanted!r}" if wanted else "holds several plug-ins"
            raise UserError(f"{path}: {what}; {nearest(wanted, known)}; write {path}:ID")
        label = wanted or next(iter(known))
        factory = _factory(path)
        plugin = factory.create(factory, host(), label.encode())
        if not plugin or not plugin.init(plugin):
            raise UserError(f"{path}:{label}: loads, but refuses to make an instance")
        description = describe(plugin, path)
        instance = CLAPInstance(plugin, description, sample_rate, block)
        instance.info = replace(description.info, latency=instance.latency())
        return instance


@cache
def _factory(path: str) -> Any:
    """The plug-in factory of a file; the file stays loaded and initialised."""
    ffi = _library.interface(DECLARATIONS)
    file = _file(Path(path))
    entry = _library.load(str(file), DECLARATIONS, "clap_entry", "CLAP").clap_entry
    if entry.version.major < 1:
        raise UserError(f"{path}: was built for CLAP {entry.version.major}, wanted 1 or newer")
    if not entry.init(path.encode()):
        raise UserError(f"{path}: loads, but its initialisation fails")
    raw = entry.get_factory(b"clap.plugin-factory")
    if not raw:
        raise UserError(f"{path}: is a CLAP file without plug-ins")
    return ffi.cast("const clap_factory*", raw)


def _file(path: Path) -> Path:
    """The library of a bundle, where it is one (macOS)."""
    if path.is_dir():
        _binary.check(path)
        inside = [p for p in (path / "Contents" / "MacOS").glob("*") if p.is_file()]
        return inside[0] if inside else path
    return path


def _descriptors(path: str) -> list[Any]:
    factory = _factory(path)
    found = (factory.descriptor(factory, i) for i in range(factory.count(factory)))
    return [each for each in found if each]
