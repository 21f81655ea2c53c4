"""Plug-ins by short names: an index of what is installed, and what "mda:Overdrive" means."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dspcore.blackbox import hosts
from dspcore.blackbox.hosts import _binary
from dspcore.blackbox.isolate import Isolate
from dspcore.errors import UserError, nearest
from dspcore.files import write_text

#: Renewed when what an index holds changes.
VERSION = 2

#: Formats that more than one host opens: which to prefer.
FORMATS = {"vst3": ("pedalboard", "dawdreamer"), "vst2": ("dawdreamer",), "vst": ("dawdreamer",)}

#: The host of a file by its ending.
ENDINGS = {".clap": "clap", ".dsp": "dawdreamer", ".vst3": "vst3", ".dll": "vst2", ".vst": "vst2"}

#: Seconds that listing the plug-ins of a host, or of one file, may take.
DEADLINE = 120.0


@dataclass(frozen=True)
class Entry:
    """A plug-in that is installed, and the short name that opens it."""

    host: str
    identity: str
    name: str
    package: str = ""  # the bundle or file it comes in
    file: str = ""  # where its code is
    problem: str = ""  # of a file that could not be listed

    @property
    def format(self) -> str:
        """lv2, clap, ladspa, vst2, vst3, builtin, or the host's name."""
        if self.identity.split(":")[0].lower().endswith(".vst3"):
            return "vst3"
        if self.host == "dawdreamer":
            return "vst2"
        return "builtin" if self.host == "pedalboard" else self.host

    @property
    def tail(self) -> str:
        """The last part of a URI, a label, or the name of a file."""
        if "://" in self.identity or self.identity.startswith("urn:"):
            return re.split(r"[/#:]", self.identity.rstrip("/#"))[-1]
        if self.host in ("clap", "dawdreamer", "pedalboard"):
            return self.name
        return self.identity.rpartition(":")[2]

    @property
    def short(self) -> str:
        """What to write for it: ``mda:Overdrive``, ``ladspa:tap_reverb``, ``vst3:ZamEQ2``."""
        if self.format == "builtin":
            return f"pedalboard:{self.tail}"
        return f"{self.package if self.host == 'lv2' else self.format}:{self.tail}"


def resolve(name: str) -> tuple[str, str]:
    """The host and the identity that `name` means.

    Args:
        name: ``package:plugin`` ("mda:Overdrive"), ``host:plugin`` or ``format:plugin``
            ("ladspa:tap_reverb", "pedalboard:Reverb", "vst3:ZamEQ2"), a plug-in's name alone, an
            LV2 URI, a path (with ":label" where a file holds several), a Faust file (.dsp).

    Raises:
        UserError: Nothing, or more than one plug-in, has that name; the nearest ones are named.
    """
    if not name.strip():
        raise UserError("plug-in: its name is empty; dspcore plugins scan lists names")
    head, _, rest = name.partition(":")
    if head.lower() in FORMATS and rest:
        return _searched(rest, name, [h for h in FORMATS[head.lower()]], head.lower())
    if head in hosts.names() and rest:
        if _is_path(rest) or _is_uri(rest):
            return head, _absolute(rest)
        if not hasattr(hosts.get(head), "installed"):
            return head, rest  # a host of another package, or Python functions
        return _searched(rest, name, [head])
    if _is_uri(name):
        return "lv2", name
    if _is_path(name):
        return _host_of(name), _absolute(name)
    return _searched(name, name, hosts.names())


def index(host: str) -> list[Entry]:
    """What is installed for one host, read again only where files have changed.

    Foreign code is loaded in other processes: a library that crashes is an entry with a `problem`.
    """
    found = hosts.get(host)
    if found.missing():
        return []
    list_files = getattr(found, "installed", None)
    if list_files is None:
        with Isolate() as isolate:
            return _listed(isolate, host)
    stamps = {str(path): _stamp(path) for path in list_files()}
    place = _folder() / f"plugins-{host}-{VERSION}.json"
    before = _load(place)
    if hasattr(found, "inside"):
        held, entries = _by_file(host, stamps, before)
    else:
        key = hashlib.sha256(json.dumps(sorted(stamps.items())).encode()).hexdigest()
        if before.get("key") == key:
            return [Entry(**each) for each in before["entries"]]
        if hasattr(found, "bundle"):
            with Isolate() as isolate:
                entries = _listed(isolate, host)
        else:
            entries = _every(host)  # names of files: nothing foreign is read
        held = {"key": key, "entries": [asdict(each) for each in entries]}
    if held != before:
        _save(place, held)
    return entries


def _by_file(
    host: str, stamps: dict[str, str], before: dict[str, Any]
) -> tuple[dict[str, Any], list[Entry]]:
    changed = [path for path, stamp in stamps.items() if before.get(path, {}).get("stamp") != stamp]
    found: dict[str, list[Entry]] = {}
    with Isolate() as isolate:
        if changed:
            together = isolate.call(_inside, host, changed, deadline=DEADLINE)
            found = together.value or {}
        for path in changed:
            if path not in found:  # one of them ended the child: each on its own
                alone = isolate.call(_inside, host, [path], deadline=DEADLINE)
                stem = Path(path).stem
                broken = {path: [Entry(host, path, stem, stem, path, alone.text)]}
                found |= alone.value or broken
    held: dict[str, Any] = {
        path: {"stamp": stamp, "entries": [asdict(each) for each in found[path]]}
        if path in found
        else before[path]
        for path, stamp in stamps.items()
    }
    return held, [Entry(**each) for known in held.values() for each in known["entries"]]


def _listed(isolate: Isolate, host: str) -> list[Entry]:
    outcome = isolate.call(_every, host, deadline=DEADLINE)
    if outcome.how != "ok":
        raise RuntimeError(f"{host}: listing its plug-ins failed: {outcome.text}")
    return list(outcome.value)


def _every(host: str) -> list[Entry]:
    """In a child: what a host finds."""
    found = hosts.get(host)
    library = getattr(found, "bundle", None)
    entries = []
    for each in found.find():
        package = Path(each.identity).stem
        file = each.identity if os.sep in each.identity else ""
        if library is not None:
            file = library(each.identity)
            package = Path(file).parent.stem
            tail = Entry(host, each.identity, each.name).tail
            if _plain(package) == _plain(tail):  # a bundle for each: its maker's word in the URI
                parts = [part for part in re.split(r"[/#:]", each.identity) if part]
                package = parts[-2] if len(parts) > 1 else package
        entries.append(Entry(host, each.identity, each.name, package, file))
    return entries


def _inside(host: str, paths: list[str]) -> dict[str, list[Entry]]:
    """In a child: the plug-ins of some files; what says why it cannot be loaded is a problem."""
    opened: Any = hosts.get(host)
    found = {}
    for path in paths:
        stem = Path(path).stem
        try:
            inside = opened.inside(path)
            found[path] = [Entry(host, each.identity, each.name, stem, path) for each in inside]
        except UserError as error:
            found[path] = [Entry(host, path, stem, stem, path, str(error))]
    return found


def _searched(wanted: str, asked: str, names: Iterable[str], format: str = "") -> tuple[str, str]:
    """The plug-in called `wanted` in the first of the hosts that has one."""
    seen: list[Entry] = []
    lacking: list[str] = []
    for host in names:
        reason = hosts.get(host).missing()
        if reason:
            lacking.append(reason)
            continue
        entries = [each for each in index(host) if not each.problem]
        if format:
            kind = "vst2" if format == "vst" else format
            entries = [each for each in entries if each.format == kind]
        seen += entries
        found = _matches(wanted, entries)
        if len(found) > 1:
            some = ", ".join(each.identity for each in found[:6])
            raise UserError(f"plug-in: {asked!r} is {len(found)} plug-ins: {some}; name one")
        if found:
            return host, found[0].identity
    hint = nearest(asked, [each.short for each in seen])
    if not hint.startswith("did you mean"):
        tails = {each.tail: each.short for each in seen}
        hint = nearest(wanted.rpartition(":")[2], tails)
        hint = hint if hint.startswith("did you mean") else "dspcore plugins scan lists what is"
    because = f" ({'; '.join(lacking)})" if lacking else ""
    raise UserError(f"plug-in: none called {asked!r} is installed; {hint}{because}")


def _matches(wanted: str, entries: list[Entry]) -> list[Entry]:
    """Entries by package and name, or name alone; the strictest reading that finds any."""
    exact = [each for each in entries if wanted in (each.identity, each.tail, each.short)]
    if exact:
        return exact
    package, mark, plugin = wanted.partition(":")
    if not mark:
        return [each for each in entries if _plain(wanted) in _names(each)]
    named = [each for each in entries if _plain(plugin) in _names(each)]
    for matches in (str.__eq__, str.startswith):
        found = [
            each
            for each in named
            if any(matches(word, _plain(package)) for word in _packages(each))
        ]
        if found:
            return found
    return []


def _names(entry: Entry) -> set[str]:
    names = {_plain(entry.name), _plain(entry.tail)}
    for package in _packages(entry):
        names |= {name.removeprefix(package) for name in list(names) if name != package}
    return names


def _packages(entry: Entry) -> set[str]:
    parts = re.split(r"[/#:]", entry.identity)[:-1] if _is_uri(entry.identity) else []
    words = {_plain(part) for part in [entry.package, *parts]}
    return words - {"", "http", "https", "urn", "plugins", "lv2", "plugin"}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _is_uri(text: str) -> bool:
    return "://" in text or text.startswith("urn:")


def _is_path(text: str) -> bool:
    if os.sep in text or text.startswith("~"):
        return True
    return Path(text).suffix.lower() in ENDINGS or Path(text).exists()


def _absolute(text: str) -> str:
    if _is_uri(text):
        return text
    path = Path(text).expanduser()
    return str(path if path.is_absolute() else Path.cwd() / path)


def _host_of(text: str) -> str:
    """The host for a path; a library that could be of several formats is opened in a child."""
    path = Path(text).expanduser()
    file = Path(re.sub(r"(\.(?:so|clap|vst3)):.*$", r"\1", str(path)))
    host = ENDINGS.get(file.suffix.lower(), "")
    if host in FORMATS:
        usable = [name for name in FORMATS[host] if not hosts.get(name).missing()]
        return (usable or list(FORMATS[host]))[0]
    if host:
        return host
    _binary.check(file)  # what is missing, no library, or an LV2 bundle says so
    with Isolate() as isolate:
        said = isolate.call(_sniff, str(file), deadline=DEADLINE)
    if said.how != "ok":
        raise UserError(f"{file}: {said.text}" if said.how != "error" else said.text)
    return str(said.value)


def _sniff(path: str) -> str:
    """In a child: the host for a library by what it exports."""
    said = str(_binary.other_format(path, "audio"))
    for mark, host in (("LADSPA, open", "ladspa"), ("CLAP, open", "clap"), ("VST2", "dawdreamer")):
        if mark in said:
            return host
    raise UserError(said)


def _stamp(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{stat.st_size}:{stat.st_mtime_ns}"


def _folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "dspcore"


def _load(place: Path) -> dict[str, Any]:
    """The index as it was; a damaged one is none."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _save(place: Path, held: dict[str, Any]) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, json.dumps(held))
    except (OSError, UserError):
        return  # a folder that cannot be written only costs time
