"""Where the numbers of a run go: lines of JSON always, TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from dspcore.errors import UserError, nearest
from dspcore.files import write_text
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
        self.file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Write a line."""
        self.file.write(json.dumps({"step": step, **values}) + "\n")
        self.file.flush()

    def audio(self, step: int, name: str, audio: Tensor, sample_rate: int) -> None:
        """Not kept here."""

    def figure(self, step: int, name: str, figure: Any) -> None:
        """Not kept here."""

    def close(self) -> None:
        """Close the file."""
        self.file.close()


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
        names: Of `TRACKERS`, beside metrics.jsonl.
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
        makers: list[Callable[[Path, int], Tracker]] = [Lines, *(TRACKERS[n] for n in names)]
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


def _warn(name: str, error: Exception) -> None:
    warnings.warn(
        f"train: the tracker {name} failed and is left out from now on: {error}",
        RuntimeWarning,
        stacklevel=4,
    )
