"""Where the numbers of a run go: lines of JSON always, TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from dspcore import audio as sound_files
from dspcore.errors import UserError, nearest
from dspcore.files import explained, replacing, write_text
from dspcore.train.extra import needed


class Tracker(Protocol):
    """Takes numbers, sounds and pictures. Whatever it raises is warned of once and ends it."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step."""

    def audio(self, step: int, name: str, audio: Tensor, sample_rate: int) -> None:
        """A sound, (c, t)."""

    def figure(self, step: int, name: str, figure: Any) -> None:
        """A figure of matplotlib."""

    def close(self) -> None:
        """The run is over."""


class Lines:
    """metrics.jsonl: a line ``{"step": 10, "loss": 0.5}`` for each step that is logged."""

    def __init__(self, folder: Path, step: int, name: str = "metrics.jsonl") -> None:
        """Forgets lines from `step` on: a run that was killed does them again."""
        self.path = folder / name
        if self.path.exists():
            # The last line may be half written.
            whole = self.path.read_text(encoding="utf-8").split("\n")[:-1]
            kept = [line for line in whole if json.loads(line)["step"] < step]
            write_text(self.path, "".join(line + "\n" for line in kept))
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        self.waiting, self.warned = b"", False

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Write a line."""
        self.waiting += (json.dumps({"step": step, **values}) + "\n").encode()
        try:
            while self.waiting:
                self.waiting = self.waiting[self.file.write(self.waiting) :]
        except OSError as error:  # a full disk: the lines are kept until there is room
            if not self.warned:
                _warn(self.path.name, explained(error, self.path), "is behind until there is room")
            self.warned = True

    def audio(self, step: int, name: str, audio: Tensor, sample_rate: int) -> None:
        """Kept by `Kept`."""

    def figure(self, step: int, name: str, figure: Any) -> None:
        """Kept by `Kept`."""

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Kept:
    """Arrays, sounds and pictures in the run's folder, from which a report can be made again.

    arrays.jsonl has a line ``{"step": 10, "name": "latent/bits", "values": [...]}`` for each array;
    audio/NAME/STEP.flac is a sound (STEP.wav, in floating point, where it exceeds full scale);
    figures/NAME.png is the latest picture. Nothing is made before there is something to keep.
    """

    def __init__(self, folder: Path, step: int) -> None:
        """Files come when they are needed; arrays from `step` on are forgotten."""
        self.folder, self.step = folder, step
        self.lines: Lines | None = None
        if (folder / "arrays.jsonl").exists():
            self.lines = Lines(folder, step, "arrays.jsonl")

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers are in metrics.jsonl."""

    def array(self, step: int, name: str, values: Any) -> None:
        """A line; numbers are kept to six digits."""
        if self.lines is None:
            self.lines = Lines(self.folder, self.step, "arrays.jsonl")
        self.lines.log(step, {"name": name, "values": _rounded(values)})

    def audio(self, step: int, name: str, audio: Tensor, sample_rate: int) -> None:
        """A file."""
        place = self.folder / "audio" / _safe(name)
        place.mkdir(parents=True, exist_ok=True)
        sound = audio.detach().cpu().float()
        if sound.numel() and float(sound.abs().max()) > 1:
            sound_files.write(place / f"{step:08d}.wav", sound, sample_rate, "FLOAT")
        else:
            sound_files.write(place / f"{step:08d}.flac", sound, sample_rate, "PCM_16")

    def figure(self, step: int, name: str, figure: Any) -> None:
        """A picture that takes the place of the one before."""
        target = self.folder / "figures" / f"{_safe(name)}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as file:
            figure.savefig(file, format="png")

    def close(self) -> None:
        """Close the file of arrays."""
        if self.lines is not None:
            self.lines.close()


class TensorBoard:
    """Event files in the run's folder; ``tensorboard --logdir`` shows them."""

    def __init__(self, folder: Path, step: int) -> None:
        """Opens the event file."""
        writer = needed("torch.utils.tensorboard").SummaryWriter
        self.writer = writer(str(folder / "tensorboard"), purge_step=step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def audio(self, step: int, name: str, audio: Tensor, sample_rate: int) -> None:
        """A player; the first channel."""
        self.writer.add_audio(name, audio[:1], step, sample_rate)

    def figure(self, step: int, name: str, figure: Any) -> None:
        """A picture."""
        self.writer.add_figure(name, figure, step)

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()


class WeightsAndBiases:
    """A run of wandb; offline where the account is not set up, as WANDB_MODE says."""

    def __init__(self, folder: Path, step: int) -> None:
        """Starts the run, or goes on with the one of this folder."""
        self.wandb = needed("wandb")
        self.run = self.wandb.init(
            dir=str(folder), name=folder.name, id=folder.name, resume="allow"
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers."""
        self.run.log(dict(values), step=step)

    def audio(self, step: int, name: str, audio: Tensor, sample_rate: int) -> None:
        """A player."""
        self.run.log({name: self.wandb.Audio(audio[0].cpu().numpy(), sample_rate)}, step=step)

    def figure(self, step: int, name: str, figure: Any) -> None:
        """A picture."""
        self.run.log({name: self.wandb.Image(figure)}, step=step)

    def close(self) -> None:
        """End the run."""
        self.run.finish()


TRACKERS: dict[str, Callable[[Path, int], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


class Trackers:
    """Several trackers as one; one that fails is dropped with a warning and never stops a run.

    Args:
        folder: Of the run; None tracks nothing but `extra`.
        names: Of `TRACKERS`, beside the files of `Lines` and `Kept`.
        step: The first step that will come.
        extra: Further trackers of the caller.
    """

    def __init__(
        self,
        folder: Path | None,
        names: Sequence[str] = (),
        step: int = 0,
        extra: Sequence[Tracker] = (),
    ) -> None:
        """Opens them."""
        unknown = [name for name in names if name not in TRACKERS]
        if unknown:
            raise UserError(
                f"train: unknown tracker {unknown[0]!r}; {nearest(unknown[0], TRACKERS)}"
            )
        self.live: list[Tracker] = []
        makers: list[Callable[[Path, int], Tracker]] = [Lines, Kept, *(TRACKERS[n] for n in names)]
        for maker in makers if folder is not None else ():
            try:
                self.live.append(maker(folder, step))  # type: ignore[arg-type]
            except Exception as error:
                _warn(getattr(maker, "__name__", str(maker)), error)
        self.live += extra

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step."""
        self._each(lambda tracker: tracker.log(step, values))

    def audio(self, step: int, name: str, audio: Tensor, sample_rate: int) -> None:
        """A sound, (c, t)."""
        self._each(lambda tracker: tracker.audio(step, name, audio.detach(), sample_rate))

    def array(self, step: int, name: str, values: Any) -> None:
        """Numbers (a tensor, nested lists, or lists by name), for trackers that take arrays."""
        plain = values.tolist() if isinstance(values, Tensor) else values
        self._each(
            lambda tracker: tracker.array(step, name, plain) if hasattr(tracker, "array") else None
        )

    def figure(self, step: int, name: str, figure: Any) -> None:
        """A figure of matplotlib."""
        self._each(lambda tracker: tracker.figure(step, name, figure))

    def close(self) -> None:
        """The run is over."""
        self._each(lambda tracker: tracker.close())

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for tracker in list(self.live):
            try:
                act(tracker)
            except Exception as error:
                self.live.remove(tracker)
                _warn(type(tracker).__name__, error)


def _safe(name: str) -> str:
    """A name as a path below a folder."""
    parts = [re.sub(r"[^\w. -]", "_", part).strip(". ") for part in name.split("/")]
    return "/".join(part for part in parts if part) or "_"


def _rounded(values: Any) -> Any:
    """Six digits of every number; JSON has no NaN."""
    if isinstance(values, Mapping):
        return {key: _rounded(value) for key, value in values.items()}
    if isinstance(values, Sequence) and not isinstance(values, str):
        return [_rounded(value) for value in values]
    if isinstance(values, float):
        return float(f"{values:.6g}") if math.isfinite(values) else None
    return values


def _warn(name: str, error: Exception, so: str = "is left out from now on") -> None:
    warnings.warn(
        f"train: the tracker {name} failed and {so}: {error}",
        RuntimeWarning,
        stacklevel=4,
    )
