"""Chains as shared libraries for this machine, built once and kept."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch

from dspcore.export import build
from dspcore.export.library import Library
from dspcore.export.source import Progress
from dspcore.files import replacing
from dspcore.graph import Graph
from dspcore.rack import Rack

#: Packages that a library follows from.
_FOLDERS = ("ops", "effects", "graph", "synth", "export")


def compiled(
    rack: Rack,
    *,
    channels: int = 2,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = lambda _: None,
) -> Path:
    """A C library of `rack` for the processor of this machine, built where none is kept yet.

    The parameters' values and the sample rate make no difference: a library plays them all.

    Args:
        rack: A chain or a graph.
        channels: In: 1 or 2.
        folder: Where libraries are kept; by default ``$DSPCORE_CACHE``, else the folder ``dspcore``
            of the user's caches.
        progress: Told what is being done.

    Raises:
        UserError, CompilerError: As `export`.
    """
    kept = (Path(folder) if folder else cache_folder()) / f"{_key(rack, channels)}.so"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="dspcore-compiled-") as place:
            (made,) = build.export(
                rack, place, name="chain", formats=["c"], channels=channels, march="native",
                progress=progress,
            )  # fmt: skip
            with replacing(kept) as file:
                file.write(made.path.read_bytes())
    return kept


def native(
    rack: Rack,
    *,
    channels: int = 2,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = lambda _: None,
) -> Library:
    """`rack` as compiled C++ that plays blocks, with the rack's own rate and values.

    ::

        library = native(chain)
        out = library.blocks(audio, 512)  # (c, t) float32 in, and out

    Arguments and errors as of `compiled`.
    """
    path = compiled(rack, channels=channels, folder=folder, progress=progress)
    library = Library(path, rack.sample_rate)
    library.set(**dict(zip(library.names, rack.values.values(), strict=True)))
    return library


def cache_folder() -> Path:
    """Where libraries are kept when nobody says otherwise."""
    if own := os.environ.get("DSPCORE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dspcore"


def _key(rack: Rack, channels: int) -> str:
    """All that the library depends on, as one word."""
    words = f"{_made_of()} {structure(rack)} {channels}"
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def structure(rack: Rack) -> str:
    """One word for all of `rack` but the values of its parameters, and its sample rate."""
    found = hashlib.sha256()
    for part in _described(rack):
        found.update(part.encode() + b"\0")
    return found.hexdigest()


def _described(rack: Rack) -> Iterator[str]:
    yield type(rack).__name__
    yield repr(rack.inputs)
    for name, effect in zip(rack.effect_names, rack, strict=True):
        yield f"{name} {type(effect).__module__}.{type(effect).__qualname__} {effect.options}"
        if not effect.files:
            for key, tensor in (*effect.named_parameters(), *effect.named_buffers()):
                data = tensor.detach().cpu().double().numpy().tobytes()
                yield f"{key} {tuple(tensor.shape)} {hashlib.sha256(data).hexdigest()}"
        for key in effect.files:
            path = effect.options[key]
            yield hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    if isinstance(rack, Graph):
        for name, place in rack.nodes().items():
            for key, edge in place.edges():
                # A fixed level is built in; the others are parameters.
                level = edge.gain_db if edge.fixed else edge.gain_db is None
                yield f"{name} {key} {edge.source} {level}"


@cache
def _made_of() -> str:
    """The sources, the compiler, the processor."""
    found = hashlib.sha256()
    root = build.sources()
    package = Path(__file__).resolve().parents[1]
    files = [
        *(root / "csrc").rglob("*.[ch]*"),
        *(root / "bindings").glob("*.h*"),
        *(package / name for name in ("rack.py", "chain.py")),
        *(file for name in _FOLDERS for file in (package / name).glob("*.py")),
    ]
    for file in sorted(files):
        found.update(file.read_bytes())
    compiler, _ = build.tools(())
    said = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False)
    words = (said.stdout, *build.flags(), platform.machine(), _processor(), torch.__version__)
    return " ".join((found.hexdigest(), *words))


def _processor() -> str:
    """What ``-march=native`` looks at."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
