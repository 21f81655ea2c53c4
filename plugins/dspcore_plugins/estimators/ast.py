"""Transformers on spectrograms."""

from __future__ import annotations

from dspcore_plugins.estimators.backbones import Backbone, Spectrogram
from dspcore_plugins.estimators.learning import Network


class Ast(Network):
    """An audio spectrogram transformer with a head; wants far more than ten thousand clips."""

    name = "ast"

    def backbone(self) -> Backbone:
        """The transformer."""
        return Spectrogram(*self.shape, self.size)
