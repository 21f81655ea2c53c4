"""One picture of what a sine network makes of a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dspcore.files import replacing


@torch.no_grad()
def draw(
    model: nn.Module,
    clip: Tensor,
    target: str | Path,
    *,
    sample_rate: float = 1.0,
    times: Tensor | None = None,
) -> Tensor:
    """Draw the wave, the error, both spectra, what every layer makes, and gates where there are.

    Args:
        model: Times (t,) to a wave (t,); with ``outputs`` or ``activations`` these are drawn,
            too.
        clip: What is wanted, (t,).
        target: Picture to write, .png or .svg.
        sample_rate: In Hz, for the axes.
        times: What the model hears, (t,); 0, 1, 2, ... when left out.

    Returns:
        What the model makes, (t,).
    """
    from matplotlib.figure import Figure

    first = next(model.parameters())
    t = torch.arange(len(clip), dtype=first.dtype) if times is None else times
    found, clip = model(t).reshape(-1).cpu().double(), clip.cpu().double()
    seconds = (torch.arange(len(clip)) / sample_rate).numpy()
    hertz = (torch.fft.rfftfreq(len(clip)) * sample_rate).numpy()
    more = _more(model, t)
    rows = 3 + len(more)
    figure = Figure(figsize=(11, 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, 1)
    snr = 10 * torch.log10(clip.square().sum() / (clip - found).square().sum())
    axes[0].plot(seconds, clip, label="wanted", color="0.6")
    axes[0].plot(seconds, found, label="made", linewidth=0.8)
    axes[0].set(title=f"{float(snr):.1f} dB", xlabel="s", ylabel="wave")
    axes[0].legend(loc="upper right")
    axes[1].plot(seconds, clip - found, color="C3", linewidth=0.8)
    axes[1].set(xlabel="s", ylabel="error", ylim=axes[0].get_ylim())
    for wave, name, color in ((clip, "wanted", "0.6"), (found, "made", "C0")):
        power = torch.fft.rfft(wave * torch.hann_window(len(wave), dtype=wave.dtype)).abs()
        axes[2].plot(hertz, 20 * torch.log10(power + 1e-9), label=name, color=color, linewidth=0.8)
    top = float(torch.fft.rfft(clip).abs().max().clamp(min=1e-9).log10()) * 20
    axes[2].set(xlabel="Hz", ylabel="dB", ylim=(top - 110, top + 5))
    axes[2].legend(loc="upper right")
    for axis, (name, rows_of) in zip(axes[3:], more, strict=True):
        if rows_of.ndim == 2:
            image = axis.imshow(
                rows_of.numpy(), aspect="auto", vmin=0, extent=(0, seconds[-1], 1, 0)
            )
            figure.colorbar(image, ax=axis)
        else:
            axis.plot(seconds, rows_of, linewidth=0.8)
        axis.set(xlabel="s", ylabel=name)
    with replacing(target) as file:
        figure.savefig(file, format=Path(target).suffix.lstrip(".") or "png")
    return found


def _more(model: Any, t: Tensor) -> list[tuple[str, Tensor]]:
    """Name and (t,) or (rows, t) of what else a model can show."""
    found: list[tuple[str, Tensor]] = []
    if hasattr(model, "activations"):
        found += [(f"open, level {n}", a.cpu()) for n, a in enumerate(model.activations(t))][1:6]
    elif hasattr(model, "outputs"):
        parts = model.outputs(t)
        found += [
            (f"layer {n}", p.cpu() if p.ndim == 1 else p.mean(-1).cpu())
            for n, p in enumerate(parts)
        ][:8]
    return found
