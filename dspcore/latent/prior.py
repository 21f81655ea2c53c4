"""A small continuous autoregressive prior over latents: frame after frame, by flow matching.

A causal transformer hears the frames so far, with noise on them while it learns, and what was asked
for; a small network carries noise to the next frame along the flow that this context says. Whether
a sequence ends after a frame is learnt beside it.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dspcore import train
from dspcore.errors import UserError
from dspcore.files import read_text, write_text
from dspcore.latent.latents import Latents

PRIOR = "prior.json"


@dataclass
class PriorConfig:
    """What a prior is made of and how it is trained.

    Attributes:
        width: Of the transformer.
        layers: Of the transformer.
        heads: Of its attention.
        most_frames: Longest sequence; longer ones are cut.
        noise: Deviation of the noise on the frames it hears while it learns, against their own.
        draws: Places along the flow that are learnt from at each frame.
        label: What of a row it is asked by: "", "tag" (the last tag) or "text".
        batch_size: Sequences of a step.
        held_out: Share of the sequences that validate.
        fit: The run.
    """

    width: int = 96
    layers: int = 3
    heads: int = 4
    most_frames: int = 64
    noise: float = 0.2
    draws: int = 4
    label: str = ""
    batch_size: int = 16
    held_out: float = 0.1
    fit: train.FitConfig = field(
        default_factory=lambda: train.FitConfig(
            steps=1_000,
            validate_every=100,
            trackers=[],
            optimizer=train.OptimizerConfig("adamw", lr=1e-3, clip_norm=1.0),
            average=train.AverageConfig(decay=0.99),
            tolerate=5,
        )
    )


class Prior(nn.Module):
    """Samples sequences of latents, (b, d, f).

    Args:
        dims: Of the latent.
        config: What it is made of.
        labels: What may be asked for; none for a prior that is not asked.

    Source:
        S. Rouard et al., "Continuous Audio Language Models", arXiv 2509.06926, 2025: causal
        backbone on noisy frames, and a head for continuous frames. The head here is that of Y.
        Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023, with straight paths.
    """

    def __init__(self, dims: int, config: PriorConfig, labels: list[str] | None = None) -> None:
        super().__init__()
        self.dims, self.config, self.labels = dims, config, labels or []
        width = config.width
        self.register_buffer("center", torch.zeros(dims))
        self.register_buffer("scale", torch.ones(dims))
        self.center: Tensor
        self.scale: Tensor
        self.start = nn.Embedding(max(1, len(self.labels)), width)
        self.into = nn.Linear(dims, width)
        self.places = nn.Parameter(0.02 * torch.randn(config.most_frames + 1, width))
        layer = nn.TransformerEncoderLayer(
            width, config.heads, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.backbone = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.ends = nn.Linear(width, 1)
        self.head = nn.Sequential(
            nn.Linear(dims + width + 16, 2 * width),
            nn.SiLU(),
            nn.Linear(2 * width, 2 * width),
            nn.SiLU(),
            nn.Linear(2 * width, dims),
        )

    def contexts(self, frames: Tensor, label: Tensor) -> Tensor:
        """What is known before each frame and after the last, (b, f + 1, width).

        Args:
            frames: Normalised, (b, f, d).
            label: Number of what is asked for, (b,).
        """
        x = torch.cat([self.start(label)[:, None], self.into(frames)], 1)
        x = x + self.places[: x.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        return self.backbone(x, mask=mask, is_causal=True)

    def velocity(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """Where the flow goes at x (..., d) and a time (..., 1) between noise, 0, and frame, 1."""
        angles = time * math.pi * 2.0 ** torch.arange(8, device=x.device) / 2
        return self.head(torch.cat([x, context, angles.sin(), angles.cos()], -1))

    def loss(self, frames: Tensor, count: Tensor, label: Tensor) -> dict[str, Tensor]:
        """Flow matching, and the cross entropy of where sequences end.

        Args:
            frames: Normalised, (b, f, d), zeros after the end.
            count: Frames of each, (b,).
            label: (b,).
        """
        heard = frames + self.config.noise * torch.randn_like(frames) if self.training else frames
        context = self.contexts(heard, label)
        mask = torch.arange(frames.shape[1], device=frames.device) < count[:, None]
        target = frames[mask].repeat(self.config.draws, 1)
        known = context[:, :-1][mask].repeat(self.config.draws, 1)
        time = torch.sigmoid(torch.randn(len(target), 1, device=frames.device))
        noise = torch.randn_like(target)
        way = self.velocity((1 - time) * noise + time * target, time, known)
        flow = (way - (target - noise)).square().mean()
        last = torch.arange(frames.shape[1], device=frames.device) == count[:, None] - 1
        said = self.ends(context[:, 1:])[..., 0][mask]
        end = functional.binary_cross_entropy_with_logits(said, last[mask].to(said))
        return {"loss": flow + 0.1 * end, "flow": flow, "end": end}

    @torch.no_grad()
    def sample(
        self,
        count: int,
        label: str | None = None,
        *,
        steps: int = 16,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> list[Tensor]:
        """New sequences, (d, f) each.

        Args:
            count: How many.
            label: What is asked for; of a prior with labels, drawn for each when left out.
            steps: Of the flow, from noise to frame.
            temperature: Deviation of the noise that frames start from.
            seed: Of the draw.

        Raises:
            UserError: There is no such label.
        """
        draw = torch.Generator().manual_seed(seed)
        numbers = torch.randint(max(1, len(self.labels)), (count,), generator=draw)
        if label is not None:
            if label not in self.labels:
                raise UserError(f"prior: no label {label!r}; known: {', '.join(self.labels)}")
            numbers = torch.full((count,), self.labels.index(label))
        device = self.center.device
        frames = torch.zeros(count, 0, self.dims, device=device)
        ended = torch.full((count,), self.config.most_frames)
        for place in range(self.config.most_frames):
            context = self.contexts(frames, numbers.to(device))[:, -1]
            if place:
                chance = torch.sigmoid(self.ends(context)[:, 0]).cpu()
                stops = torch.rand(count, generator=draw) < chance
                ended = torch.where(stops & (ended > place), place, ended)
                if bool((ended <= place).all()):
                    break
            x = temperature * torch.randn(count, self.dims, generator=draw).to(device)
            for step in range(steps):
                time = x.new_full((count, 1), step / steps)
                slope = self.velocity(x, time, context)
                ahead = self.velocity(x + slope / steps, time + 1 / steps, context)
                x = x + (slope + ahead) / (2 * steps)
            frames = torch.cat([frames, x[:, None]], 1)
        whole = frames * self.scale + self.center
        return [x[: int(n)].T.cpu().contiguous() for x, n in zip(whole, ended, strict=True)]


def fit_prior(latents: Latents, config: PriorConfig) -> Prior:
    """Train a prior on sequences; it is saved in the run's folder where there is one.

    Raises:
        UserError: Too few sequences.
    """
    labels, numbers = _labels(latents, config)
    torch.manual_seed(config.fit.seed or 0)
    model = Prior(latents.dims, config, labels)
    every = torch.cat(latents.means, 1)
    model.center.copy_(every.mean(1))
    model.scale.copy_(every.std(1).clamp(min=1e-4))
    items = []
    for mean, number in zip(latents.means, numbers, strict=True):
        frames = ((mean.T - model.center) / model.scale)[: config.most_frames]
        more = config.most_frames - len(frames)
        padded = functional.pad(frames, (0, 0, 0, more))
        items.append({"frames": padded, "count": len(frames), "label": number})
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(0)).tolist()
    held = max(1, round(config.held_out * len(items)))
    apart = [items[i] for i in order[:held]]
    kept: Any = [items[i] for i in order[held:]]
    if not kept:
        raise UserError(f"prior: {len(items)} sequences are too few; encode more sounds")
    batch = torch.utils.data.default_collate(apart)

    def loss(model: Any, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        most = int(batch["count"].max())
        return model.loss(batch["frames"][:, :most], batch["count"], batch["label"])

    def validate(model: Any, step: int) -> dict[str, float]:
        torch.manual_seed(0)
        device = model.center.device
        found = loss(model, {name: v.to(device) for name, v in batch.items()}, step)
        return {name: float(value) for name, value in found.items()}

    if config.fit.folder is not None:
        about = {"dims": latents.dims, "labels": labels, "config": _plain(config)}
        Path(config.fit.folder).mkdir(parents=True, exist_ok=True)
        about["latents"] = latents.about
        write_text(Path(config.fit.folder) / PRIOR, json.dumps(about, indent=2) + "\n")
    data = train.Shuffled(kept, min(config.batch_size, len(kept)))
    train.fit(model, loss, data, config.fit, validate=validate, record=config)
    if config.fit.folder is not None:
        train.load_weights(model, config.fit.folder)
    return model.eval()


def load_prior(folder: str | Path) -> tuple[Prior, dict[str, Any]]:
    """The prior of a run's folder in eval mode, and what is known of the latents it learnt."""
    home = Path(folder)
    if not (home / PRIOR).is_file():
        raise UserError(f"{folder}: has no prior ({PRIOR}); dspcore latent prior makes one")
    about = json.loads(read_text(home / PRIOR))
    model = Prior(about["dims"], PriorConfig(**about["config"]), about["labels"])
    train.load_weights(model, home)
    return model.eval(), about["latents"]


def _plain(config: PriorConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name != "fit"}


def _labels(latents: Latents, config: PriorConfig) -> tuple[list[str], list[int]]:
    """The labels there are, and the number of each sequence's."""
    if config.label not in ("", "tag", "text"):
        raise UserError(f"prior: label must be tag, text or nothing, got {config.label!r}")
    if not config.label:
        return [], [0] * len(latents)
    said: list[str] = []
    for row in latents.rows:
        tags: Any = row.get("tags") or [""]
        said.append(str(row.get("text", "")) if config.label == "text" else str(tags[-1]))
    labels = sorted(set(said))
    return labels, [labels.index(word) for word in said]
