"""An autoencoder as one TorchScript file, which any program with libtorch plays."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dspcore.errors import UserError
from dspcore.files import replacing
from dspcore.latent.autoencoder import Autoencoder


class Codec(nn.Module):
    """The way in and the way out of a trained autoencoder, without chance and without training.

    Args:
        model: The autoencoder.
        axes: Columns that the latent is seen along, (d, k) with ``axes.T @ axes = 1``; the latent
            itself when left out.
        centre: What is taken off before, (d,).
    """

    def __init__(
        self, model: Autoencoder, axes: Tensor | None = None, centre: Tensor | None = None
    ) -> None:
        super().__init__()
        d = model.dims
        axes = torch.eye(d) if axes is None else axes
        centre = torch.zeros(d) if centre is None else centre
        if axes.ndim != 2 or axes.shape[0] != d or centre.shape != (d,):
            raise ValueError(
                f"codec: axes must be ({d}, k) and centre ({d},), "
                f"got {tuple(axes.shape)} and {tuple(centre.shape)}"
            )
        self.model = model.traceable().eval().requires_grad_(False)
        self.register_buffer("axes", axes.clone())
        self.register_buffer("centre", centre[:, None].clone())
        self.axes: Tensor
        self.centre: Tensor

    def encode(self, audio: Tensor) -> Tensor:
        """Audio (b, c, t) to a latent (b, k, f)."""
        return self.axes.T @ (self.model.encode(audio).mean - self.centre)

    def decode(self, z: Tensor) -> Tensor:
        """A latent (b, k, f) to audio (b, c, f * hop)."""
        return self.model.decode(self.axes @ z + self.centre)

    def forward(self, audio: Tensor) -> Tensor:
        """Audio rebuilt, (b, c, t), in time with the original."""
        late = self.model.delay
        z = self.encode(nn.functional.pad(audio, (0, late)))
        return self.decode(z)[..., late:][..., : audio.shape[-1]]


def principal_axes(means: Sequence[Tensor], keep: float | int) -> tuple[Tensor, Tensor]:
    """Principal components of latents, the widest first, as `Codec` takes them: axes and centre.

    Args:
        means: Of sounds, (d, f) each.
        keep: How many; or, below 1, the share of the variance that they must hold.
    """
    rows = torch.cat(list(means), 1).double()
    centre = rows.mean(1)
    axes, sizes, _ = torch.linalg.svd(rows - centre[:, None], full_matrices=False)
    if keep < 1:
        shares = sizes.square().cumsum(0) / sizes.square().sum().clamp(min=1e-30)
        keep = int((shares < keep).sum()) + 1
    if not 1 <= keep <= axes.shape[1]:
        raise UserError(f"codec: keep must be 1 to {axes.shape[1]} axes, got {keep}")
    return axes[:, : int(keep)].float(), centre.float()


def export_codec(codec: Codec, path: str | Path) -> Path:
    """Write a codec as TorchScript with the methods encode, decode and forward.

    Any number of items and frames may be given; audio is padded to whole frames. The file holds
    ``codec.json`` too (``torch.jit.load(path, _extra_files={"codec.json": ""})``): rate, channels,
    samples of a frame, delay and dims. What it says is compared with the codec at another length
    before it appears.

    Args:
        codec: What to write.
        path: Of the file, usually ``.ts``.

    Raises:
        RuntimeError: The program says something else than the codec: the autoencoder cannot be
            traced. A plug-in's `traceable` must see to that.
    """
    model = codec.model
    codec.eval()
    audio = sample(codec)
    with warnings.catch_warnings(), torch.no_grad():
        # TorchScript is what hosts load; torch would rather have another format.
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace_module(
            codec,
            {"encode": audio, "decode": codec.encode(audio), "forward": audio},
            check_trace=False,
        )
        traced = torch.jit.freeze(traced, ["encode", "decode"], optimize_numerics=False)
        other = audio[:1, :, : 17 * model.hop - 3]
        z = codec.encode(other)
        for name, given in (("encode", other), ("decode", z), ("forward", other)):
            said, wanted = getattr(traced, name)(given), getattr(codec, name)(given)
            if said.shape != wanted.shape or not torch.allclose(said, wanted, atol=1e-5):
                raise RuntimeError(
                    f"codec: {name} of the traced {model.name} is not that of the autoencoder at "
                    "another length; its traceable() must return a copy that depends on no length"
                )
    target = Path(path)
    with replacing(target) as file:
        torch.jit.save(traced, file, {"codec.json": json.dumps(about(codec))})
    return target


def about(codec: Codec) -> dict[str, Any]:
    """What a program must know of an exported codec: rate, channels, frame, delay, dims, hash."""
    model = codec.model
    return {
        "sample_rate": model.sample_rate,
        "audio_channels": model.audio_channels,
        "hop": model.hop,
        "delay": model.delay,
        "dims": codec.axes.shape[1],
        "encoder": model.encoder_hash(),
    }


def sample(codec: Codec) -> Tensor:
    """Two sounds of 24 frames for a codec to be traced with."""
    model = codec.model
    draw = torch.Generator().manual_seed(0)
    return torch.randn(2, model.audio_channels, 24 * model.hop, generator=draw)
