"""Faust sources in DawDreamer: compiled, and what their controls say."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from dspcore.blackbox.hosts import _naming
from dspcore.blackbox.hosts._raw import MOST_STEPS
from dspcore.blackbox.plugin import Kind, Parameter, PluginInfo
from dspcore.errors import UserError

#: Groups around the controls of a polyphonic Faust program, before the file's own.
_OF_VOICES = ("Polyphonic", "Voices")


def make(engine: Any, path: Path) -> Any:
    """A compiled processor of the source at `path`."""
    if not path.is_file():
        raise UserError(f"{path}: no such Faust file")
    processor = engine.make_faust_processor("faust")
    processor.num_voices = _voices(path)
    try:
        processor.set_dsp(str(path.resolve()))
        compiled = processor.compile()
    except RuntimeError as error:
        raise UserError(f"{path}: Faust does not compile it: {error}") from error
    if not compiled:
        raise UserError(f"{path}: Faust does not compile it")
    return processor


def describe(identity: str, processor: Any) -> tuple[PluginInfo, list[int]]:
    """What the source declares, and the number of each parameter in the processor."""
    params: list[Parameter] = []
    indices: list[int] = []
    hints = _hints(Path(identity).read_text(encoding="utf-8"))
    for each in processor.get_parameters_description():
        low, high, step = float(each["min"]), float(each["max"]), float(each["step"])
        if not low < high:
            continue
        kind: Kind = "continuous"
        if (low, high, step) == (0, 1, 1):
            kind = "switch"
        elif math.isclose(step, max(1, round(step))) and (high - low) / step < MOST_STEPS:
            kind = "integer"  # of many steps, a step is but that of the mouse
        # The names of Faust's groups lead to the control; the first is the file's.
        name, label = str(each["name"]), str(each["label"])
        parts = [part for part in name.strip("/").split("/")[1:] if part not in _OF_VOICES]
        short = "/".join(parts[1:] if processor.num_voices else parts) or name
        hint = hints.get(label, {})
        params.append(
            Parameter(
                short,
                label,
                low,
                high,
                default=min(max(float(each["value"]), low), high),
                unit=_naming.unit(hint.get("unit", "")),
                scale="log" if hint.get("scale") == "log" and low > 0 else "linear",
                kind=kind,
            )
        )
        indices.append(int(each["index"]))
    symbols = _naming.symbols(param.symbol for param in params)
    inputs = int(processor.get_num_input_channels())
    info = PluginInfo(
        host="dawdreamer",
        identity=identity,
        name=Path(identity).stem,
        maker="",
        params=tuple(replace(p, symbol=s) for p, s in zip(params, symbols, strict=True)),
        inputs=inputs,
        outputs=int(processor.get_num_output_channels()),
        notes=inputs == 0
        and (processor.num_voices > 0 or any(p.name in ("freq", "gate") for p in params)),
    )
    return info, indices


def _voices(path: Path) -> int:
    """Voices that a Faust source declares ("[nvoices:4]"); 0 when it is played without notes."""
    found = re.search(r"\[\s*nvoices\s*:\s*(\d+)\s*\]", path.read_text(encoding="utf-8"))
    return int(found[1]) if found else 0


def _hints(source: str) -> dict[str, dict[str, str]]:
    """What stands in brackets in a control's label, "cutoff[unit:Hz][scale:log]", by its name."""
    found: dict[str, dict[str, str]] = {}
    for label, hints in re.findall(r'"([^"\[\n]*)((?:\[[^\]"\n]*\]\s*)+)"', source):
        pairs = re.findall(r"\[\s*(\w+)\s*:\s*([^\]]*?)\s*\]", hints)
        found[label.strip()] = dict(pairs)
    return found
