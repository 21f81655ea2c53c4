"""Latents of a set of sounds as sequences in one file, for a prior or for any other use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from dspcore.errors import UserError
from dspcore.files import write_text
from dspcore.latent.autoencoder import Autoencoder
from dspcore.train import Checkpoint

#: Files of a folder that `write_latents` made.
TENSORS, LINES = "latents.safetensors", "latents.jsonl"


@dataclass(frozen=True)
class Latents:
    """Sequences of frames of any length, one for each sound.

    Attributes:
        means: (d, f) each.
        stds: (d, f) each, where the latent is a distribution; else empty.
        rows: What is known of each sound: path, samples, and tags, text, group where there are.
        about: Rate, hop and dims of the autoencoder, and the hash of its encoder.
    """

    means: list[Tensor]
    stds: list[Tensor]
    rows: list[dict[str, object]]
    about: dict[str, object]

    def __len__(self) -> int:
        return len(self.means)

    @property
    def dims(self) -> int:
        """Of the latent."""
        return int(str(self.about["dims"]))


@torch.no_grad()
def encoded(model: Autoencoder, sounds: Iterable[tuple[Tensor, dict[str, object]]]) -> Latents:
    """Sounds through the encoder, each alone and in full length.

    Args:
        model: In eval mode.
        sounds: Audio (c, t) at the model's rate, and what is known of it.
    """
    device = next(model.parameters()).device
    means, stds, rows = [], [], []
    for sound, row in sounds:
        late = functional.pad(sound, (0, model.delay)).to(device)
        coded = model.encode(late[None])
        means.append(coded.mean[0].cpu())
        if coded.std is not None:
            stds.append(coded.std[0].cpu())
        rows.append({**row, "samples": sound.shape[1]})
    about: dict[str, object] = {
        "sample_rate": model.sample_rate,
        "hop": model.hop,
        "dims": model.dims,
        "encoder": model.encoder_hash(),
    }
    return Latents(means, stds, rows, about)


@torch.no_grad()
def decoded(model: Autoencoder, mean: Tensor, samples: int | None = None) -> Tensor:
    """The sound (c, t) of one sequence (d, f)."""
    device = next(model.parameters()).device
    made = model.decode(mean[None].to(device))[0, :, model.delay :].cpu()
    return made if samples is None else made[:, :samples]


def write_latents(folder: str | os.PathLike[str], latents: Latents) -> None:
    """Write sequences into a folder: latents.safetensors and latents.jsonl, a line each."""
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    frames = [mean.shape[1] for mean in latents.means]
    kept = Checkpoint()
    kept.tensors["mean"] = torch.cat(latents.means, 1).T if frames else torch.empty(0)
    if latents.stds:
        kept.tensors["std"] = torch.cat(latents.stds, 1).T
    kept.state = {"frames": frames, "about": latents.about}
    kept.save(home / TENSORS)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in latents.rows]
    write_text(home / LINES, "".join(lines))


def read_latents(folder: str | os.PathLike[str]) -> Latents:
    """Read what `write_latents` wrote; `UserError` where it is not there or does not fit."""
    home = Path(folder)
    if not (home / TENSORS).is_file():
        raise UserError(f"{folder}: has no latents; dspcore latent encode writes them")
    kept = Checkpoint.load(home / TENSORS)
    frames = [int(n) for n in kept.state["frames"]]
    rows = [json.loads(line) for line in (home / LINES).read_text("utf-8").splitlines()]
    if len(rows) != len(frames):
        raise UserError(f"{folder}: {len(frames)} sequences and {len(rows)} lines; encode again")
    split = {name: tensor.T.split(frames, 1) for name, tensor in kept.tensors.items()}
    stds = [part.contiguous() for part in split.get("std", ())]
    return Latents([part.contiguous() for part in split["mean"]], stds, rows, kept.state["about"])
