"""What training, export and diagnostics ask of an autoencoder; plug-ins subclass it."""

from __future__ import annotations

import copy
import hashlib
import inspect
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from dspcore import registry
from dspcore.errors import UserError, nearest
from dspcore.latent.bottlenecks import Bottleneck, Coded


class Autoencoder(nn.Module):
    """Base: audio (b, c, t) to a latent (b, d, f), one frame for `hop` samples, and back.

    A subclass has an `encoder` and a `decoder` beside its `bottleneck`, and says how audio becomes
    what the encoder takes (`analysed`) and how it comes back (`synthesised`). After `freeze`,
    encoder and bottleneck stay as they are, batch statistics and codebooks too, whatever `train`
    says.

    Args:
        sample_rate: In Hz.
        audio_channels: Of the audio.
        hop: Samples of a frame.
        bottleneck: Its dims are the latent's.
    """

    #: As the registry has it.
    name: ClassVar[str] = "autoencoder"
    encoder: nn.Module
    decoder: nn.Module

    def __init__(
        self, sample_rate: int, audio_channels: int, hop: int, bottleneck: Bottleneck
    ) -> None:
        super().__init__()
        self.sample_rate, self.audio_channels, self.hop = sample_rate, audio_channels, hop
        self.bottleneck = bottleneck
        #: Samples by which decoded audio is late; `forward` makes up for it.
        self.delay = 0
        #: What it was made with, beside the rate; `make_autoencoder` takes it.
        self.options: dict[str, Any] = {}
        self.register_buffer("frozen", torch.tensor(False))
        self.frozen: Tensor

    @property
    def dims(self) -> int:
        """Of the latent."""
        return self.bottleneck.dims

    def analysed(self, audio: Tensor) -> Tensor:
        """What the encoder takes, of audio (b, c, t) with t a multiple of the hop."""
        raise NotImplementedError

    def synthesised(self, decoded: Tensor) -> Tensor:
        """Audio of what the decoder gives."""
        raise NotImplementedError

    # --- the whole way --------------------------------------------------------------------------

    def encode(self, audio: Tensor, length: Tensor | None = None) -> Coded:
        """The latent of audio.

        Args:
            audio: (b, c, t); zeros are added up to a whole frame.
            length: Samples of each item that are sound, (b,); all when left out.

        Raises:
            ValueError: The audio has another shape.
        """
        if audio.ndim != 3 or audio.shape[1] != self.audio_channels or not audio.numel():
            raise ValueError(
                f"{self.name}: audio must be (b, {self.audio_channels}, t), "
                f"got {tuple(audio.shape)}"
            )
        return self.coded(functional.pad(audio, (0, -audio.shape[-1] % self.hop)), length)

    def coded(self, audio: Tensor, length: Tensor | None = None) -> Coded:
        """`encode` of audio that has whole frames and was checked."""
        h = self.encoder(self.analysed(audio))
        mask = None if length is None else self.frame_mask(length, h.shape[-1])
        found: Coded = self.bottleneck(h, mask)
        return found

    def decode(self, z: Tensor, samples: int | None = None) -> Tensor:
        """Audio (b, c, f * hop) of a latent (b, d, f), or its first `samples`."""
        if z.ndim != 3 or z.shape[1] != self.dims:
            raise ValueError(f"{self.name}: z must be (b, {self.dims}, f), got {tuple(z.shape)}")
        made = self.synthesised(self.decoder(z))
        return made if samples is None else made[..., :samples]

    def forward(self, audio: Tensor, length: Tensor | None = None) -> tuple[Tensor, Coded]:
        """Audio rebuilt, (b, c, t), in time with the original, and its latent."""
        coded = self.encode(functional.pad(audio, (0, self.delay)), length)
        return self.decode(coded.z)[..., self.delay :][..., : audio.shape[-1]], coded

    def frame_mask(self, length: Tensor, frames: int) -> Tensor:
        """Which of some frames hold sound, (b, frames), for sounds of `length` samples, (b,)."""
        begin = torch.arange(frames, device=length.device) * self.hop
        return begin < length[:, None]

    def traceable(self) -> Self:
        """A copy that gives the same in eval mode and can be traced at any length, for export."""
        return copy.deepcopy(self)

    # --- freezing -------------------------------------------------------------------------------

    def freeze(self) -> Self:
        """From now on encoder and bottleneck stay as they are."""
        self.frozen.fill_(True)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As of any module, but what is frozen stays in eval mode."""
        super().train(mode)
        if bool(self.frozen):
            for part in (self.encoder, self.bottleneck):
                part.eval()
        return self

    def encoder_hash(self) -> str:
        """Of every weight and buffer of encoder and bottleneck: the same latent, the same hash."""
        digest = hashlib.sha256()
        for part in (self.encoder, self.bottleneck):
            for key, value in sorted(part.state_dict().items()):
                digest.update(key.encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def make_autoencoder(name: str, sample_rate: int, **options: Any) -> Autoencoder:
    """The autoencoder that is registered as `name`.

    Args:
        name: band, or another of the kind "autoencoders".
        sample_rate: In Hz.
        options: Of its constructor; an unknown one is an error that names the nearest.
    """
    kind: Any = registry.get("autoencoders", name)
    known = [p for p in inspect.signature(kind).parameters if p != "sample_rate"]
    for option in options:
        if option not in known:
            raise UserError(f"autoencoder {name}: no option {option!r}; {nearest(option, known)}")
    made: Autoencoder = kind(sample_rate, **options)
    made.options = dict(options)
    return made
