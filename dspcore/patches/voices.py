"""Our own instruments as a worker's host knows them: what they are without torch in the parent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox.plugin import Found, Parameter, PluginInfo
from dspcore.notes import Note

HOST = f"{__name__}:Voices"

#: The sample rate of an identity that names none.
_RATE = 48_000


def names() -> list[str]:
    """Of our instruments, their other names among them."""
    from dspcore import synth

    return [name for kind in synth.names().values() for name in (kind.name, *kind.aliases)]


def info(name: str, sample_rate: int) -> PluginInfo:
    """What an instrument of ours is; the highest frequency depends on the sample rate."""
    from dspcore import synth

    kind = synth.by_name(name)
    params = [
        Parameter(
            param.name,
            param.doc,
            *param.range(sample_rate),
            param.default_at(sample_rate),
            param.unit,
            param.scale,
        )
        for param in kind.params.values()
    ]
    for choice in kind.choices.values():
        words = tuple((word, float(i)) for i, word in enumerate(choice.words))
        default = float(choice.words.index(choice.default))
        last = float(len(words) - 1)
        params.append(
            Parameter(choice.name, choice.doc, 0.0, last, default, kind="choice", labels=words)
        )
    return PluginInfo(HOST, kind.name, kind.name, "dspcore", tuple(params), 0, kind.outputs, True)


class Voices:
    """The host: an identity is an instrument's name. It imports torch, in a worker."""

    name: ClassVar[str] = "voices"
    extra: ClassVar[str] = ""

    def missing(self) -> str:
        """Never missing."""
        return ""

    def find(self) -> Iterable[Found]:
        """Every instrument."""
        return [Found(name, name) for name in names()]

    def info(self, identity: str) -> PluginInfo:
        """At 48 kHz; `info` of this module knows other rates."""
        return info(identity, _RATE)

    def open(self, identity: str, sample_rate: int, block: int = 512) -> VoicesInstance:
        """A fresh instrument; it is computed in one block."""
        return VoicesInstance(info(identity, sample_rate), sample_rate)


class VoicesInstance:
    """An instrument of ours; a render knows nothing of those before."""

    def __init__(self, described: PluginInfo, sample_rate: int) -> None:
        import torch

        from dspcore import synth

        torch.set_num_threads(1)
        self.info, self.sample_rate = described, sample_rate
        self._kind: Any = synth.by_name(described.identity)
        self._made: dict[tuple[float, ...], Any] = {}

    def render(
        self,
        audio: NDArray[np.float32],
        values: Sequence[float] | NDArray[np.float64],
        notes: Sequence[Note] = (),
    ) -> NDArray[np.float32]:
        """The sound (outputs, t)."""
        import torch

        count = len(self._kind.params)
        chosen = tuple(float(v) for v in values[count:])
        if chosen not in self._made:
            words = {
                choice.name: choice.words[round(number)]
                for choice, number in zip(self._kind.choices.values(), chosen, strict=True)
            }
            self._made[chosen] = self._kind(self.sample_rate, **words)
        params = {n: float(v) for n, v in zip(self._kind.params, values[:count], strict=True)}
        samples = audio.shape[1]
        with torch.no_grad():
            sound = self._made[chosen](list(notes), samples / self.sample_rate, **params)
        made: NDArray[np.float32] = sound[0, :, :samples].float().numpy()
        return made

    def latency(self) -> int:
        """None."""
        return 0

    def close(self) -> None:
        """Nothing is held."""

    def reset(self) -> None:
        """Nothing is remembered."""
