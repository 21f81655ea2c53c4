"""A plug-in with the face of every other effect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dspcore.blackbox.box import Box, Numbers
from dspcore.blackbox.controls import PluginChoice, PluginParam, attribute, control
from dspcore.blackbox.estimators import AudioEstimator, Space
from dspcore.blackbox.layer import Evaluation, render
from dspcore.blackbox.pick import pick_audio
from dspcore.blackbox.session import Heard, Session
from dspcore.blackbox.tail import ringing_seconds
from dspcore.effects import Effect
from dspcore.notes import Note


class BlackBox(Effect):
    """A plug-in: `load` makes a subclass with its parameters.

    Automation is followed block by block: a moving parameter has, in each block of the plug-in, its
    mean over that block. A stream goes on in an instance of its own, without gradients.
    """

    box: ClassVar[Box]
    #: For each of the plug-in's parameters, the name of ours; "" where it stays at its default.
    order: ClassVar[tuple[str, ...]] = ()
    exact: ClassVar[bool] = False

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Render; mono plug-ins take every channel for itself."""
        sound, params = self._folded(audio, params)
        if state is None:
            made = self._rendered(sound, params)
            state = Heard(sound.detach(), {n: v.detach() for n, v in params.items()})
        else:
            made, state = self._continued(sound, params, state)
        return self._unfolded(made, audio), state

    def attempt(self, audio: Tensor, p: Tensor) -> tuple[Tensor, NDArray[np.bool_]]:
        """Process without gradients, going on where the plug-in fails.

        Args:
            audio: (b, c, t), or one item for all settings.
            p: (b, num_params) in [0, 1].

        Returns:
            The sounds (b, c, t), silent where it failed; and where it did not, (b,).
        """
        sounds, params = self._folded(
            audio.detach().expand(len(p), -1, -1),
            {name: value[:, None] for name, value in self.denormalize(p).items()},
        )
        rows = zip(sounds.numpy(), self._stacked(params, len(sounds)), strict=True)
        jobs = [self.box.job(self.sample_rate, sound, v[:, 0]) for sound, v in rows]
        made, good = self.box.tried(jobs)
        each: NDArray[np.bool_] = np.all(good.reshape(len(p), -1), axis=1)
        return self._unfolded(torch.from_numpy(made), audio), each

    def space(self, *, least: float = 0.0) -> Space:
        """Steps, at least as long as said, and grid of every parameter."""
        box, params = self.box, self.params
        steps = [max(least, box.steps.get(name, box.default_step)) for name in params]
        grids = [p.grid if isinstance(p, PluginParam) else 0.0 for p in params.values()]
        return Space(np.maximum(steps, grids), np.array(grids))

    def plugin_values(self, p: Tensor) -> Numbers:
        """All of the plug-in's values, (all,), at a setting (num_params,) in [0, 1]."""
        return self._from_unit(p.detach().double().cpu().numpy().reshape(-1, 1))[:, 0]

    def tail_seconds(self) -> float:
        """How long it rings after a burst of noise, as measured; 10 s at most."""
        return ringing_seconds(self)

    def latency_samples(self) -> int:
        """As the plug-in declares it at its defaults."""
        return self.box.info.latency

    def _folded(self, audio: Tensor, params: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Audio (b, c, t) as the plug-in takes it, (n, inputs, t), on the CPU; values for each."""
        channels, samples = audio.shape[1:]
        inputs, wanted = self.box.info.inputs, self.box.info.hears
        sound = audio.to("cpu", torch.float32)
        params = {name: value.cpu() for name, value in params.items()}
        if self._each():
            sound = sound.reshape(-1, 1, samples)
            params = {n: v.repeat_interleave(channels, 0) for n, v in params.items()}
        elif self.channels == "stereo" and channels == 1:
            sound = sound.expand(-1, 2, -1)
        elif channels != wanted:
            raise ValueError(f"{self.name}: the plug-in takes {wanted} channels, got {channels}")
        if inputs > wanted:  # a side-chain hears the sound itself
            rows = [index % wanted for index in range(inputs)]
            sound = sound[:, rows]
        return sound, params

    def _unfolded(self, made: Tensor, audio: Tensor) -> Tensor:
        """(n, outputs, t) as (b, c, t), as and where `audio` is."""
        if self._each():
            made = made.reshape(-1, audio.shape[1], made.shape[2])
        return made.to(audio.device, audio.dtype)

    def _each(self) -> bool:
        """Whether every channel goes through an instance of its own."""
        info = self.box.info
        return info.outputs == info.hears == 1

    def _rendered(
        self, sound: Tensor, params: dict[str, Tensor], notes: Sequence[Sequence[Note]] = ()
    ) -> Tensor:
        """What fresh instances make of (b, inputs, t), with gradients."""
        blocks = {name: self._by_block(value, sound.shape[2]) for name, value in params.items()}
        count = max((value.shape[1] for value in blocks.values()), default=1)
        rows = [blocks[name].expand(-1, count) for name in self.params]
        physical = torch.stack(rows, dim=1) if rows else sound.new_zeros(len(sound), 0, count)
        unit = torch.stack(
            [
                param.to_unit(row, self.sample_rate).clamp(0.0, 1.0)
                for param, row in zip(self.params.values(), rows, strict=True)
            ]
            or [sound.new_zeros(len(sound), count)],
            dim=1,
        )
        unit = unit[:, : len(rows)]
        values = np.stack([self._values(item) for item in physical.detach().double().numpy()])
        everyone: Sequence[Sequence[Note]] = notes or [()] * len(sound)
        evaluation = Evaluation(
            self.box,
            self.sample_rate,
            values,
            self._from_unit,
            self.space(),
            everyone,
            self._audio_estimator,
        )
        return render(sound, unit, evaluation)

    def _continued(
        self, sound: Tensor, params: dict[str, Tensor], state: Any
    ) -> tuple[Tensor, Any]:
        wanted = sound.requires_grad or any(value.requires_grad for value in params.values())
        if torch.is_grad_enabled() and wanted:
            raise RuntimeError(
                f"{self.name}: a plug-in has no gradient in the middle of a stream, as it cannot "
                "be brought back there; stream under torch.no_grad(), or process the whole sound"
            )
        if isinstance(state, Heard):
            session = Session(self.box, self.sample_rate, len(state.sound))
            first = {n: self._by_block(v, state.sound.shape[2]) for n, v in state.params.items()}
            state = session.begin(state.sound.numpy(), self._stacked(first, len(state.sound)))
        blocks = {name: self._by_block(value, sound.shape[2]) for name, value in params.items()}
        made, state = state.session.go_on(
            state, sound.detach().numpy(), self._stacked(blocks, len(sound))
        )
        return torch.from_numpy(made), state

    def _by_block(self, value: Tensor, samples: int) -> Tensor:
        """(b, 1) as it is; (b, t) as its means over blocks, (b, n)."""
        if value.shape[1] == 1:
            return value
        block = self.box.block
        whole = samples - samples % block
        parts = []
        if whole:
            parts.append(value[:, :whole].unflatten(1, (-1, block)).mean(2))
        if whole < samples:
            parts.append(value[:, whole:].mean(1, keepdim=True))
        return torch.cat(parts, dim=1)

    def _stacked(self, blocks: dict[str, Tensor], batch: int) -> Numbers:
        """Values of the plug-in, (b, all, n), of our own (b, n) each."""
        count = max((value.shape[1] for value in blocks.values()), default=1)
        rows = [blocks[name].detach().expand(batch, count).numpy() for name in self.params]
        own = np.stack(rows, axis=1) if rows else np.zeros((batch, 0, count))
        return np.stack([self._values(item) for item in own])

    def _values(self, physical: Numbers) -> Numbers:
        """All of the plug-in's values, (all, n), from our continuous ones (p, n)."""
        rows = dict(zip(self.params, physical, strict=True))
        out = np.empty((len(self.order), physical.shape[1]))
        for i, (name, parameter) in enumerate(zip(self.order, self.box.info.params, strict=True)):
            if name in rows:
                param = self.params[name]
                whole = isinstance(param, PluginParam) and param.whole
                row = np.clip(rows[name], param.minimum, param.maximum)
                out[i] = np.rint(row) if whole else row
            elif name:
                choice = self.choices[name]
                assert isinstance(choice, PluginChoice)
                out[i] = choice.numbers[self.options[name]]
            else:
                out[i] = parameter.default
        return out

    def _from_unit(self, unit: Numbers) -> Numbers:
        """All of the plug-in's values, (all, n), from ours in [0, 1], (p, n)."""
        rows = [
            param.from_unit(torch.from_numpy(row), self.sample_rate).numpy()
            for param, row in zip(self.params.values(), unit, strict=True)
        ]
        return self._values(np.stack(rows) if rows else unit)

    def _audio_estimator(self) -> AudioEstimator:
        """That of the box; picked by a few renders at the effect's own values the first time."""
        if self.box.audio == "auto":
            self.box.audio = pick_audio(self).estimator
        assert self.box.audio is not None
        return self.box.audio


def effect_class(box: Box, title: str, base: type[BlackBox] = BlackBox) -> type[BlackBox]:
    """A subclass with the parameters of a plug-in; `title` gives its name."""
    body: dict[str, Any] = {"__doc__": f"{box.info.name or title}, a plug-in ({box.info.host})."}
    order = []
    for parameter in box.info.params:
        declared = control(parameter)
        name = attribute(parameter.symbol, base) if declared is not None else ""
        while name in body:
            name += "_"
        if declared is not None:
            body[name] = declared
        order.append(name)
    kind: Any = type("Plugin", (base,), body)
    kind.name = re.sub(r"[^0-9a-z]+", "_", _snake(title)).strip("_") or "plugin"
    kind.source, kind.box, kind.order = box.source, box, tuple(order)
    kind.channels = "stereo" if box.info.hears == 2 else "any"
    made: type[BlackBox] = kind
    return made


def _snake(title: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title).lower()
