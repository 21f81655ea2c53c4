"""From a name to a renderer: our voices, the benchmark, Faust, Vital, plug-ins of any format."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dspcore import synth
from dspcore.blackbox import Pool
from dspcore.blackbox.find import resolve
from dspcore.blackbox.loading import described
from dspcore.blackbox.plugin import PluginInfo
from dspcore.errors import UserError
from dspcore.notes import Note
from dspcore.patches import vital, voices
from dspcore.patches.auditing import recalled
from dspcore.patches.overlay import Table, faust_overlay, overlaid, read_overlay, space_of
from dspcore.patches.params import Value
from dspcore.patches.renderer import Channel, Isolation, Renderer, Setting
from dspcore.patches.space import ParamSpace

#: The benchmark Faust-24: its source and what Faust does not say of it lie beside this file.
FAUST24 = "faust24"
_HERE = Path(__file__).parent
_FAUST24 = Setting(22_050, 1.5, Note(0.0, 1.0, 50, 100), "left", 512, "none")


def open_renderer(
    source: str,
    *,
    sample_rate: int | None = None,
    seconds: float | None = None,
    note: Note | None = None,
    channel: Channel | None = None,
    isolation: Isolation | None = None,
    block: int | None = None,
    overlay: str | os.PathLike[str] | Table | None = None,
    only: Iterable[str] | None = None,
    fixed: Mapping[str, Value] | None = None,
    chance: bool = True,
    workers: int | None = None,
    deadline_s: float = 20.0,
    pool: Pool | None = None,
) -> Renderer:
    """A synth by its name.

    Args:
        source: "subtractive" or another voice of ours, "faust24", a Faust file (.dsp), "vital", or
            a plug-in: "vst2:amsynth", "mda:JX10", a path.
        sample_rate: In Hz; 44100 when left out, 22050 for faust24.
        seconds: Of a sound; 1.5 when left out.
        note: C4 for a second when left out; D3 for faust24.
        channel: "left", "mix" or "all".
        isolation: From what state a patch is rendered. When left out: what an audit of this synth
            has found; where there was none, "none" for our voices and Faust, "zygote" for the rest.
        block: Samples that the synth computes at a time.
        overlay: Corrections of its parameters, a TOML file or a table; see `overlaid`.
        only: The parameters that are free; all when left out.
        fixed: Values of parameters that are not, by name.
        chance: Whether parameters that draw random numbers are left as they are; else they are
            fixed where they draw none (`ParamSpace.without_chance`).
        workers: Processes; one for each core when left out.
        deadline_s: Seconds that a render may take, beside twice the length of its sound.
        pool: Workers of your own.

    Raises:
        UserError: There is no such synth, it cannot be loaded, it is an effect, or a parameter is
            unknown; says why and what to do.
        PluginError: It crashes or hangs while it is loaded.
    """
    given = {
        "sample_rate": sample_rate,
        "seconds": seconds,
        "note": note,
        "channel": channel,
        "isolation": isolation,
        "block": block,
    }
    told: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    base = _FAUST24 if source == FAUST24 else Setting(isolation=_safe(source))
    setting = Setting(**{**base.__dict__, **told})
    info, stamp = _described(source, setting)
    if info.inputs or not info.notes:
        raise UserError(f"{source}: takes audio, not notes; wanted an instrument")
    if not info.outputs:
        raise UserError(f"{source}: has no audio output")
    space = _space(source, info)
    if overlay is not None:
        if isinstance(overlay, Mapping):
            space = overlaid(space, overlay, "overlay")
        else:
            space = overlaid(space, read_overlay(overlay), os.fspath(overlay))
    if fixed:
        space = space.fixed(fixed)
    if only is not None:
        space = space.only(only)
    if not chance:
        space = space.without_chance()
    # A patch that fails is a row that is lost: the synth is never put into quarantine for it.
    shared = pool or Pool(workers, deadline_s=deadline_s, quarantine=sys.maxsize)
    renderer = Renderer(source, info, space, setting, stamp, shared)
    known = recalled(renderer) if isolation is None else None
    return renderer.with_setting(isolation=known.chosen) if known else renderer


def _safe(source: str) -> Isolation:
    """An isolation that needs no audit: what we made ourselves keeps nothing from before."""
    if source in voices.names() or source.endswith(".dsp"):
        return "none"
    return "zygote" if sys.platform.startswith("linux") else "process"


def _described(source: str, setting: Setting) -> tuple[PluginInfo, Any]:
    """What the host says, and the files that the synth consists of."""
    if source in voices.names():
        return voices.info(source, setting.sample_rate), ()
    if source == vital.NAME:
        host, identity = vital.HOST, vital.NAME
    elif source == FAUST24:
        host, identity = "dawdreamer", str(_HERE / "faust24.dsp")
    else:
        host, identity = resolve(source)
    return described(host, identity, setting.sample_rate, setting.block)


def _space(source: str, info: PluginInfo) -> ParamSpace:
    if source == FAUST24:
        space = space_of(info, FAUST24)
        return overlaid(space, read_overlay(_HERE / "faust24.toml"), "faust24.toml")
    if info.identity.endswith(".dsp"):
        return overlaid(space_of(info), faust_overlay(info.identity), source, strict=False)
    if source in voices.names():
        return space_of(info, synth.by_name(source).name)
    space = space_of(info)
    if source == vital.NAME:
        drawing = [p for p in space.params if p.name.endswith(vital.CHANCE)]
        return space.replaced(*(replace(param, chance=True) for param in drawing))
    return space
