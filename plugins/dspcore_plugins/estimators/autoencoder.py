"""An auto-encoder whose encoder gets a head."""

from __future__ import annotations

from torch import Tensor, nn

from dspcore.patches import Examples
from dspcore_plugins.estimators.backbones import Backbone, Normalised, Plain
from dspcore_plugins.estimators.learning import Net, Network, descend


class Autoencoder(Network):
    """Learn to write spectra through a bottleneck, drop the decoder, then a head on the encoder.

    Args:
        head: As of `Network`.
        size: As of `Network`.
        lr: As of `Network`.
        batch: As of `Network`.
        masked: As of `Network`.
        frozen: Leave the encoder as the spectra made it.
        width: Of the bottleneck.
    """

    name = "autoencoder"

    def __init__(
        self,
        head: str = "bins",
        size: str = "medium",
        lr: float = 2e-3,
        batch: int = 128,
        masked: bool = False,
        frozen: bool = False,
        width: int = 64,
    ) -> None:
        super().__init__(head, size, lr, batch, masked=masked)
        self.frozen, self.width = frozen, width

    def backbone(self) -> Backbone:
        """The encoder, and two layers on its bottleneck."""
        return _Encoded(Plain(*self.shape, self.size, self.width))

    def before(self, training: Examples) -> None:
        """A third of the budget for the spectra."""
        assert self.net is not None
        assert isinstance(self.net.backbone, _Encoded)
        pair = _Pair(self.net, self.shape, self.width)

        def loss(model: _Pair, rows: Tensor, step: int) -> Tensor:
            return model.miss(training.mel[rows].float())

        descend(
            pair, loss, len(training), self.budget,
            lr=self.lr, batch=self.batch, part="autoencoder", share=1 / 3,
        )  # fmt: skip
        self.share = 2 / 3
        if self.frozen:
            self.net.backbone.encoder.requires_grad_(False)


class _Encoded(Backbone):
    """The encoder with two layers behind it."""

    def __init__(self, encoder: Plain) -> None:
        super().__init__()
        self.encoder, self.features = encoder, 256
        self.layers = nn.Sequential(
            nn.Linear(encoder.features, 256), nn.GELU(), nn.Linear(256, 256), nn.GELU()
        )

    def forward(self, mel: Tensor) -> Tensor:
        return self.layers(self.encoder(mel))


class _Pair(nn.Module):
    """Encoder and decoder."""

    def __init__(self, net: Net, shape: tuple[int, int], width: int) -> None:
        super().__init__()
        self.normalise = net.normalise
        assert isinstance(self.normalise, Normalised)
        assert isinstance(net.backbone, _Encoded)
        self.encoder = net.backbone.encoder
        self.shape = shape
        self.decoder = nn.Sequential(
            nn.Linear(width, 256), nn.GELU(), nn.Linear(256, shape[0] * shape[1])
        )

    def miss(self, mel: Tensor) -> Tensor:
        """How far what is written is from what was read."""
        wanted = self.normalise(mel)
        return (
            (self.decoder(self.encoder(wanted)).unflatten(1, self.shape) - wanted).square().mean()
        )
