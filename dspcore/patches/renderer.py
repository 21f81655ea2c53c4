"""A synth that plays patches: one face over our voices, Faust, Vital and plug-ins of any format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dspcore.blackbox import PluginError, Pool
from dspcore.blackbox.job import Job, Mode, Plugin, Rendered
from dspcore.blackbox.plugin import PluginInfo
from dspcore.errors import UserError, nearest
from dspcore.notes import Note
from dspcore.patches.params import Numbers, Value
from dspcore.patches.space import ParamSpace

#: From what state a patch is rendered, the cheapest first; see docs/patches.md.
Isolation = Literal["none", "reset", "instance", "zygote", "process"]
ISOLATIONS: tuple[Isolation, ...] = get_args(Isolation)

#: How the black boxes' workers call them.
_MODES: dict[Isolation, Mode] = {
    "none": "persistent",
    "reset": "reset",
    "instance": "fresh",
    "zygote": "fork",
    "process": "fresh",
}

#: What is kept of a stereo sound: the left channel, the mean of both, or all of them.
Channel = Literal["left", "mix", "all"]

#: Samples (c, t), float32.
Audio = NDArray[np.float32]

#: Gets the number of a patch, and its sound or why there is none.
Done = Callable[[int, "Audio | PluginError"], None]


@dataclass(frozen=True)
class Setting:
    """How patches are played.

    Args:
        sample_rate: In Hz.
        seconds: Of the sound.
        note: Where nothing else is said.
        channel: What is kept of a stereo sound.
        block: Samples that the synth computes at a time.
        isolation: From what state.
    """

    sample_rate: int = 44_100
    seconds: float = 1.5
    note: Note = field(default_factory=lambda: Note(0.0, 1.0, 60, 100))
    channel: Channel = "left"
    block: int = 512
    isolation: Isolation = "instance"

    def __post_init__(self) -> None:
        if self.isolation not in ISOLATIONS:
            hint = nearest(self.isolation, ISOLATIONS)
            raise UserError(f"isolation {self.isolation!r} is unknown; {hint}")
        if self.channel not in get_args(Channel):
            hint = nearest(self.channel, get_args(Channel))
            raise UserError(f"channel {self.channel!r} is unknown; {hint}")
        if self.sample_rate < 1 or self.block < 1 or not 0 < self.seconds < 1e6:
            raise UserError(
                "renderer: sample_rate, block and seconds must be above 0, got "
                f"{self.sample_rate}, {self.block} and {self.seconds}"
            )

    @property
    def samples(self) -> int:
        """Of the sound."""
        return max(1, round(self.seconds * self.sample_rate))


class Renderer:
    """Patches in, sounds out; the synth runs in worker processes and never in this one.

    Args:
        source: What opens it again: a name, a path.
        info: What its host says of it.
        space: Of its patches; the names are the symbols of `info`, some may be left out.
        setting: How they are played.
        stamp: The files it consists of: name, size, time.
        pool: Its workers.

    `open_renderer` makes one from a name.
    """

    def __init__(
        self,
        source: str,
        info: PluginInfo,
        space: ParamSpace,
        setting: Setting,
        stamp: Sequence[tuple[str, int, int]] = (),
        pool: Pool | None = None,
    ) -> None:
        self.source, self.info, self.space, self.setting = source, info, space, setting
        self.stamp, self.pool = tuple(stamp), pool or Pool()
        symbols = [param.symbol for param in info.params]
        for param in space.params:
            if param.name not in symbols:
                hint = nearest(param.name, symbols)
                raise UserError(f"{source}: has no parameter {param.name!r}; {hint}")
        self._places = np.array([symbols.index(p.name) for p in space.params], np.int64)
        self._defaults = np.array([param.default for param in info.params], np.float64)

    @property
    def name(self) -> str:
        """Of the synth."""
        return self.space.synth

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.setting.sample_rate

    @property
    def seconds(self) -> float:
        """Of the sound."""
        return self.setting.seconds

    @property
    def note(self) -> Note:
        """What is played where nothing else is said."""
        return self.setting.note

    @property
    def channels(self) -> int:
        """Of the sound, c."""
        return self.info.outputs if self.setting.channel == "all" else 1

    @property
    def isolation(self) -> Isolation:
        """From what state patches are rendered."""
        return self.setting.isolation

    def render(self, patch: Mapping[str, Value] | ArrayLike, note: Note | None = None) -> Audio:
        """One sound, (c, t) float32.

        Args:
            patch: Semantic values by name, the rest at the defaults; or encoded, (k,) in [0, 1].
            note: What is played; the renderer's own when left out.

        Raises:
            PluginError: It crashed, hung, or its sound has NaN.
        """
        encoded = self.space.encode(patch) if isinstance(patch, Mapping) else np.asarray(patch)
        results: list[Audio | PluginError] = []
        self.each(encoded[None], [note or self.note], lambda _, result: results.append(result))
        if isinstance(results[0], PluginError):
            raise results[0]
        return results[0]

    def batch(
        self, encoded: ArrayLike, notes: Sequence[Note] | Note | None = None
    ) -> tuple[Audio, NDArray[np.bool_]]:
        """Many sounds, (n, c, t), side by side.

        Args:
            encoded: Patches, (n, k) in [0, 1].
            notes: One for all, or one for each; the renderer's own when left out.

        Returns:
            The sounds, silent where the synth failed; and where it did not, (n,).
        """
        rows = np.atleast_2d(np.asarray(encoded, np.float64))
        out = np.zeros((len(rows), self.channels, self.setting.samples), np.float32)
        good = np.zeros(len(rows), bool)

        def keep(index: int, result: Audio | PluginError) -> None:
            if not isinstance(result, PluginError):
                out[index], good[index] = result, True

        self.each(rows, self._notes(notes, len(rows)), keep)
        return out, good

    def each(self, encoded: ArrayLike, notes: Sequence[Note], done: Done) -> None:
        """Give every sound (c, t) to `done` as it comes, in any order.

        Args:
            encoded: Patches, (n, k) in [0, 1].
            notes: One for each.
            done: Called with the number of the patch, and its sound or what went wrong.
        """
        raw = self.space.raw(np.atleast_2d(np.asarray(encoded, np.float64)))
        jobs = [self.job(values, note) for values, note in zip(raw, notes, strict=True)]

        def take(index: int, result: Rendered | PluginError) -> None:
            done(index, result if isinstance(result, PluginError) else self._kept(result.audio))

        if self.isolation != "process":
            self.pool.run(jobs, take)
            return
        # As many processes at a time as there are workers, and new ones for the next.
        for first in range(0, len(jobs), self.pool.workers):
            self.pool.close()
            group = jobs[first : first + self.pool.workers]
            self.pool.run(group, lambda index, result, first=first: take(first + index, result))
        self.pool.close()

    def job(self, raw: Numbers, note: Note) -> Job:
        """One render of raw values (p,)."""
        values = self._defaults.copy()
        values[self._places] = raw
        s = self.setting
        plugin = Plugin(self.info.host, self.info.identity, s.sample_rate, s.block)
        silence = np.zeros((0, s.samples), np.float32)
        return Job(plugin, self.info, silence, values, (note,), _MODES[s.isolation])

    def with_setting(self, **changes: Any) -> Self:
        """The same synth, played in another way (`Setting`); workers are shared."""
        return self._again(self.space, replace(self.setting, **changes))

    def with_space(self, space: ParamSpace) -> Self:
        """The same synth with other parameters free; workers are shared."""
        return self._again(space, self.setting)

    def facts(self) -> dict[str, Any]:
        """What a sound depends on beside the patch, as JSON."""
        files = sorted([name.rpartition("/")[2], size] for name, size, _ in self.stamp)
        return {
            "source": self.source,
            "host": self.info.host,
            "plugin": self.info.name,
            "files": files,
            **asdict(self.setting),
        }

    def close(self) -> None:
        """End the workers; the next render would start new ones."""
        self.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _again(self, space: ParamSpace, setting: Setting) -> Self:
        return type(self)(self.source, self.info, space, setting, self.stamp, self.pool)

    def _kept(self, sound: Audio) -> Audio:
        """The channels that are wanted, in memory of their own."""
        if self.setting.channel == "left":
            return sound[:1].copy()
        if self.setting.channel == "mix":
            return sound.mean(0, keepdims=True, dtype=np.float64).astype(np.float32)
        return sound.copy()

    def _notes(self, notes: Sequence[Note] | Note | None, count: int) -> list[Note]:
        if notes is None or isinstance(notes, Note):
            return [notes or self.note] * count
        if len(notes) != count:
            raise ValueError(
                f"{self.name}: notes must be {count}, one for each patch, got {len(notes)}"
            )
        return list(notes)
