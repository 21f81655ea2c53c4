"""Sounds that a run kept, beside each other: input, target and output of the same item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dspcore import audio
from dspcore.audio import dbfs
from dspcore.latent.watch import WORST
from dspcore.report import PLAYED_SECONDS, level, player, players
from dspcore.train import Run

#: The order within an item.
_ORDER = ("input", "target", "output")
#: Items that are played.
_ITEMS = 12


def listening(run: Run, section: Callable[..., Any]) -> Iterator[Any]:
    """Players of the latest sounds; those whose names differ in the last part stand together."""
    groups: dict[str, dict[str, tuple[int, Path]]] = {}
    worst = [kept[-1][0] for name, kept in run.sounds.items() if name.startswith(WORST)]
    for name, kept in run.sounds.items():
        if name.startswith(WORST) and kept[-1][0] < max(worst):
            continue  # it was among the worst, earlier
        group, _, last = name.rpartition("/")
        groups.setdefault(group or name, {})[last] = kept[-1]
    html = []
    for group, sounds in list(groups.items())[:_ITEMS]:
        order = sorted(sounds, key=lambda n: _ORDER.index(n) if n in _ORDER else len(_ORDER))
        blocks = [_player(name, *sounds[name]) for name in order]
        html.append(f"<h3>{group}</h3>" + players(blocks))
    if html:
        names = [f"{name}: step {kept[-1][0]}" for name, kept in run.sounds.items()]
        yield section("sounds", "Listen", html="\n".join(html), text=names)


def _player(name: str, step: int, path: Path) -> str:
    sound, rate = audio.read(path)
    peak = float(sound.abs().max()) if sound.numel() else 0.0
    cut = sound[:, : PLAYED_SECONDS * rate] / max(1.0, peak / 0.99)
    return player(name, f"step {step}, peak {level(dbfs(peak), 'dBFS')}", cut, rate)
