"""The face of every effect: physical and normalised parameters, automation, streaming, checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dspcore.effects.movable import Movable
from dspcore.effects.param import Choice, File, Param
from dspcore.effects.stream import GLIDE_MS, Stream, Value
from dspcore.errors import checking_values, nearest
from dspcore.ops.compiling import unseen

Derived = TypeVar("Derived")


class Settings(dict[str, Tensor]):
    """The effect's own values as `process` gets them, and what it derived from them."""

    derived: Any = None


class Effect(nn.Module):
    """Base of all effects: a subclass declares its parameters and writes `process`.

    Args:
        sample_rate: Of the audio, in Hz.
        values: Parameters in physical units and choices by name; the rest take their defaults.
    """

    #: Continuous parameters and discrete choices by name, in the order they are declared.
    params: ClassVar[dict[str, Param]] = {}
    choices: ClassVar[dict[str, Choice]] = {}
    #: Audio files that it reads, by name.
    files: ClassVar[dict[str, File]] = {}
    #: "any" number of channels; or "stereo": two in and out, mono becomes two equal ones first.
    channels: ClassVar[Literal["any", "stereo"]] = "any"
    #: Whether it changes by itself as time goes on, so that the same sound later sounds different.
    moves: ClassVar[bool] = False
    #: Samples at a time where no gradient is wanted: of one whose lines would not fit the caches.
    piece: ClassVar[int | None] = None
    #: Further audio by name (a side-chain): `forward` takes it, and `process` finds it in `params`.
    inputs: ClassVar[tuple[str, ...]] = ()
    #: The class's name in snake_case, for presets and the command line, and other names for it.
    name: ClassVar[str] = "effect"
    aliases: ClassVar[tuple[str, ...]] = ()
    #: Old names of parameters and choices, and what they are called now; presets may have them.
    renamed: ClassVar[dict[str, str]] = {}
    #: What presets write as its type where that is not the name: where a plug-in is found.
    source: ClassVar[str] = ""
    #: Whether gradients are exact and forward mode works; of a plug-in they are estimates.
    exact: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__)
        cls.name = words.lower()
        declared = {name: item for base in cls.__mro__[::-1] for name, item in vars(base).items()}
        cls.params = {name: item for name, item in declared.items() if isinstance(item, Param)}
        cls.choices = {name: item for name, item in declared.items() if isinstance(item, Choice)}
        cls.files = {name: item for name, item in declared.items() if isinstance(item, File)}

    def __init__(self, sample_rate: int = 48_000, **values: float | str) -> None:
        super().__init__()
        if isinstance(sample_rate, bool) or int(sample_rate) != sample_rate or sample_rate <= 0:
            raise ValueError(
                f"{self.name}: sample_rate must be a whole number of Hz, got {sample_rate!r}"
            )
        self.sample_rate = rate = int(sample_rate)
        self._settings: tuple[Any, Settings] | None = None
        self.values = {name: param.default_at(rate) for name, param in self.params.items()}
        self.options = {name: choice.default for name, choice in self.choices.items()}
        self.options |= {name: file.default for name, file in self.files.items()}
        for name, value in values.items():
            if name not in self.values and name not in self.options:
                known = [*self.params, *self.choices, *self.files]
                raise TypeError(f"{self.name}: unknown parameter {name!r}; {nearest(name, known)}")
            setattr(self, name, value)

    # What a subclass writes.

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """Process one block; blocks after each other give the result of one long block.

        Args:
            audio: (b, c, t), never empty; c is 2 where `channels` is "stereo".
            params: Every `Param` in physical units, float64, constant (b, 1) or moving (b, t); and
                those of `inputs` that were given, audio each.
            state: None at first, then what the last call returned: a tensor, or tuples, lists and
                dicts of them.

        Returns:
            The processed block in the dtype of `audio`, and the state after its last sample.
        """
        raise NotImplementedError(f"{self.name}: an effect must define process()")

    def settled(self, params: dict[str, Tensor], make: Callable[[], Derived]) -> Derived:
        """``make()``, what `process` derives from `params`; kept from block to block.

        It may depend on the batch, the channels, the type and the device of the audio too.

        A stream at the effect's own values designs its filters once. One such thing an effect.
        """
        if not isinstance(params, Settings):
            return make()
        if params.derived is None:
            params.derived = make()
        derived: Derived = params.derived
        return derived

    def tail_seconds(self) -> float:
        """How long the output rings, down to -60 dB, after the input ends."""
        return 0.0

    def latency_samples(self) -> int:
        """How many samples late the output is (a look-ahead); parallel paths make up for it."""
        return 0

    def load(self, name: str) -> None:
        """Read the file whose path was set to be that of the `File` called `name`."""
        raise NotImplementedError(f"{self.name}: an effect with a File must define load()")

    def check_saved(self) -> None:
        """Raise `UserError` where a preset could not bring this effect back."""

    def suggest(self, dry: Tensor, reference: Tensor) -> list[dict[str, float]]:
        """Settings worth trying, most likely first, where gradients alone would not lead.

        Args:
            dry: The sound before, (c, t).
            reference: The same sound after this and perhaps other effects, (c, t).

        Returns:
            Physical values by parameter; those that gradients find are left out.
        """
        return []

    def movable(self) -> list[Movable]:
        """Parts that a search may take away from where they do little, and put elsewhere."""
        return []

    def canonical(self, values: dict[str, float]) -> dict[str, float]:
        """Of the settings that sound just like `values`, the one that reads best."""
        return values

    # What everyone uses.

    @classmethod
    def summary(cls) -> str:
        """The first line of the class's docstring, for help and presets."""
        return (cls.__doc__ or "").strip().partition("\n")[0].replace("``", "")

    @property
    def num_params(self) -> int:
        """Number of continuous parameters: the size of p in `normalized`."""
        return len(self.params)

    @property
    def param_names(self) -> list[str]:
        """The names of the continuous parameters, in the order of p in `normalized`."""
        return list(self.params)

    def forward(self, audio: Tensor, **params: Value) -> Tensor:
        """Process a whole signal.

        Args:
            audio: (b, c, t), float32 or float64; one item is repeated for a batch of parameters.
            params: Physical units in place of the effect's own values: a float, or a tensor (),
                (b,) or (b, f): f frames spread evenly from the first to the last sample, linear
                between; f = t is per sample.

        Returns:
            The processed signal, (b, c, t), in the dtype of `audio`.
        """
        return self.step(audio, None, **params)[0]

    def step(self, audio: Tensor, state: Any = None, **params: Value) -> tuple[Tensor, Any]:
        """Like `forward`, but continue from `state`, None at first, and return the new one too."""
        check_audio(audio, self.name)
        self._check_params(params)
        return self._run(audio, state, params)

    def stream(self, glide_ms: float = GLIDE_MS) -> Stream:
        """Open a `Stream`, to process block after block: ``y = stream(block, **params)``."""
        return Stream(self, glide_ms)

    def normalized(self, audio: Tensor, p: Tensor, **inputs: Tensor) -> Tensor:
        """Process with parameters as a network predicts them.

        Args:
            audio: (b, c, t).
            p: (b, num_params) or (b, num_params, f) in [0, 1], in the order of `params`.
            inputs: Further audio by name, where the effect has any.

        Returns:
            The processed signal, (b, c, t); the gradient flows to `audio` and `p`.
        """
        check_audio(audio, self.name)
        self._check_params(inputs)
        return self._run(audio, None, {**self.denormalize(p), **inputs})[0]

    def denormalize(self, p: Tensor) -> dict[str, Tensor]:
        """Physical values by name, float64, (b,) or (b, f) each, of `p` in [0, 1]."""
        check_unit(p, self.num_params, self.name)
        columns = zip(self.params.items(), p.double().unbind(dim=1), strict=True)
        return {name: param.from_unit(u, self.sample_rate) for (name, param), u in columns}

    def normalize(self, **params: Value) -> Tensor:
        """The p, float64, of physical values; the effect's own where left out."""
        self._check_params(params)
        settings = {**self.values, **params}
        return stack_units(
            [(p, settings[name]) for name, p in self.params.items()], self.sample_rate
        )

    def random(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """`n` settings drawn evenly from [0, 1], (n, num_params)."""
        return torch.rand(n, self.num_params, generator=generator)

    def with_values(self, **values: float | str) -> Effect:
        """A copy of this effect with some values or choices replaced."""
        return type(self)(self.sample_rate, **{**self.values, **self.options, **values})

    def at_rate(self, sample_rate: int) -> Effect:
        """A copy for audio of another rate in Hz; frequencies that it cannot hold are lowered."""
        lowered: dict[str, Any] = {
            name: min(value, self.params[name].range(sample_rate)[1])
            for name, value in self.values.items()
        }
        return type(self)(sample_rate, **{**lowered, **self.options})

    def extra_repr(self) -> str:
        """The sample rate and the effect's own values, as ``repr`` shows them."""
        numbers = [f"{name}={value:g}" for name, value in self.values.items()]
        words = [f"{name}={word}" for name, word in self.options.items()]
        return ", ".join([f"{self.sample_rate} Hz", *numbers, *words])

    def _check_params(self, params: Mapping[str, Value]) -> None:
        """Raise on unknown names, shapes and values of what a caller passed beside the audio."""
        for name, value in params.items():
            if name in self.inputs:
                check_audio(value, f"{self.name}: {name}")
            elif name not in self.params:
                if name in self.options:
                    raise TypeError(f"{self.name}: {name} is chosen when the effect is made")
                hint = nearest(name, [*self.params, *self.inputs])
                raise TypeError(f"{self.name}: unknown parameter {name!r}; {hint}")
            else:
                self.params[name].check(value, self.sample_rate, who=self.name)

    def _run(self, audio: Tensor, state: Any, params: Mapping[str, Value]) -> tuple[Tensor, Any]:
        """Bring checked audio and parameters into the shapes that `process` expects."""
        if self.channels == "stereo":
            if audio.shape[1] > 2:
                raise ValueError(
                    f"{self.name}: audio must be mono or stereo, got {audio.shape[1]} channels"
                )
            audio = audio.expand(-1, 2, -1)
        batch = audio.shape[0]
        for name, value in params.items():
            if isinstance(value, Tensor) and value.ndim:
                if batch == 1:
                    batch = value.shape[0]
                elif value.shape[0] != 1 and value.shape[0] != batch:
                    raise ValueError(
                        f"{self.name}: {name} has a batch of {value.shape[0]}, wanted 1 or {batch}"
                    )
        audio = audio.expand(batch, -1, -1)
        if not params and checking_values():
            return self._process(audio, self._own_settings(audio), state)
        ready = {name: spread(params.get(name, self.values[name]), audio) for name in self.params}
        for name in self.inputs:
            if isinstance(given := params.get(name), Tensor):
                ready[name] = given.expand(batch, -1, -1)
        return self._process(audio, ready, state)

    def _process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        """`process`, in pieces where that is better."""
        piece, t = self.piece, audio.shape[2]
        if piece is None or t < 2 * piece or not unseen(audio, *params.values()):
            return self.process(audio, params, state)
        out = None
        for start in range(0, t, piece):
            part = slice(start, min(start + piece, t))
            given = params
            if any(value.shape[-1] == t for value in params.values()):
                given = {k: v[..., part] if v.shape[-1] == t else v for k, v in params.items()}
            done, state = self.process(audio[..., part], given, state)
            out = done.new_empty(*done.shape[:2], t) if out is None else out
            out[..., part] = done
        assert out is not None
        return out, state

    def _own_settings(self, audio: Tensor) -> Settings:
        """The effect's own values for this audio, made anew where they or it have changed."""
        kind = (audio.shape[:2], audio.dtype, audio.device)
        place = (*kind, torch.is_inference_mode_enabled())
        key = (*self.values.values(), *self.options.values(), *place)
        if self._settings is None or self._settings[0] != key:
            values = {name: spread(value, audio) for name, value in self.values.items()}
            self._settings = (key, Settings(values))
        return self._settings[1]


def spread(value: Value, audio: Tensor) -> Tensor:
    """A parameter as `process` wants it beside audio (b, c, t): float64, (b, 1) or (b, t)."""
    batch, _, samples = audio.shape
    if not isinstance(value, Tensor):
        return audio.new_full((batch, 1), float(value), dtype=torch.float64)
    value = value.to(audio.device, torch.float64)
    if value.ndim < 2:
        return value.reshape(-1, 1).expand(batch, 1)
    if value.shape[1] not in (1, samples):
        frames = value[:, None]
        value = functional.interpolate(frames, samples, mode="linear", align_corners=True)[:, 0]
    return value.expand(batch, -1)


def stack_units(items: list[tuple[Param, Value]], sample_rate: int) -> Tensor:
    """Normalise (parameter, physical value) pairs side by side, (b, p) or (b, p, f), float64."""
    if not items:
        return torch.zeros(1, 0, dtype=torch.float64)
    tensors = [v for _, v in items if isinstance(v, Tensor)]
    device = tensors[0].device if tensors else None
    units = []
    for param, value in items:
        physical = torch.as_tensor(value, dtype=torch.float64, device=device)
        units.append(param.to_unit(physical, sample_rate).clamp(0.0, 1.0))
    if all(u.ndim < 2 for u in units):
        units = [u.reshape(-1) for u in units]
    else:
        units = [u if u.ndim == 2 else u.reshape(-1, 1) for u in units]
    return torch.stack(torch.broadcast_tensors(*units), dim=1)


def check_audio(audio: object, who: str) -> None:
    """Raise unless `audio` is finite, float32 or float64, (b, c, t), and not empty."""
    if not isinstance(audio, Tensor):
        raise TypeError(f"{who}: audio must be a tensor (b, c, t), got {type(audio).__name__}")
    if audio.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"{who}: audio must be float32 or float64, got {audio.dtype}; convert it with .float()"
        )
    if audio.ndim != 3:
        fix = {
            1: "; add axes with audio[None, None]",
            2: "; add an axis with audio[None] for (c, t), audio[:, None] for (b, t)",
        }
        raise ValueError(
            f"{who}: audio must be (b, c, t), got {tuple(audio.shape)}{fix.get(audio.ndim, '')}"
        )
    if audio.numel() == 0:
        raise ValueError(f"{who}: audio must not be empty, got {tuple(audio.shape)}")
    # A sum is finite only when all its terms are, and takes a single pass over them.
    if checking_values() and not torch.isfinite(audio.detach().sum()):
        bad = int((~torch.isfinite(audio)).sum())
        if bad:
            raise ValueError(
                f"{who}: audio has {bad} NaN or infinite samples of {audio.numel()}; "
                "mend the source or clean it with torch.nan_to_num"
            )


def check_unit(p: Tensor, num_params: int, who: str) -> None:
    """Raise unless `p` is (b, num_params) or (b, num_params, f) in [0, 1]."""
    if not isinstance(p, Tensor) or not p.is_floating_point():
        kind = p.dtype if isinstance(p, Tensor) else type(p).__name__
        raise TypeError(f"{who}: p must be a floating-point tensor, got {kind}")
    empty = p.ndim > 1 and 0 in (p.shape[0], *p.shape[2:])
    if p.ndim not in (2, 3) or p.shape[1] != num_params or empty:
        raise ValueError(
            f"{who}: p must be (b, {num_params}) or (b, {num_params}, f), got {tuple(p.shape)}"
        )
    if checking_values() and p.numel():
        least, greatest = (float(edge) for edge in p.detach().aminmax())
        if not (least >= 0.0 and greatest <= 1.0):
            raise ValueError(
                f"{who}: p must lie in [0, 1], got {least:g} to {greatest:g}; "
                "end the network with a sigmoid, or clamp p"
            )
