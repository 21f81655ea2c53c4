"""Switches and lists of words: they have no gradient, so every word is tried."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dspcore.blackbox.effect import BlackBox
from dspcore.effects.stream import Value


def best_choice(
    effect: BlackBox, audio: Tensor, loss: Callable[[Tensor], Tensor], **params: Value
) -> tuple[BlackBox, dict[str, dict[str, float]]]:
    """Try every word of every choice, one choice after the other, and keep the best of each.

    Args:
        effect: The plug-in.
        audio: (b, c, t).
        loss: From the effect's output (b, c, t) to a loss for each item or for all.
        params: Values in place of the effect's own.

    Returns:
        The effect with the words kept, and the mean loss of every word tried by choice.
    """
    tried: dict[str, dict[str, float]] = {}
    for name, choice in effect.choices.items():
        losses = {}
        for word in choice.words:
            with torch.no_grad():
                sound = effect.with_values(**{name: word})(audio, **params)
                losses[word] = float(loss(sound).mean())
        own = effect.options[name]
        best = min(losses, key=lambda word: (losses[word], word != own))  # a tie changes nothing
        kept = effect.with_values(**{name: best})
        assert isinstance(kept, BlackBox)
        effect = kept
        tried[name] = losses
    return effect, tried
