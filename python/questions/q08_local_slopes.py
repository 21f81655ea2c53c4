"""Q8: do local slopes suffice for the whole."""

from __future__ import annotations

import torch
from answer import Answer
from descent import find, sine

from dspcore import estimate, losses

T, B = 512, 64


def main() -> None:
    """The landscape, the reach and the blind spots of slopes over more and more samples."""
    kinds = {
        "mean square": losses.Waveform(),
        "neighbours only": losses.ProximalDifference(lags=(1,)),
        "20 points": losses.ProximalDifference(20),
        "50 points": losses.ProximalDifference(50),
        "lag 200": losses.ProximalDifference(lags=(200,)),
        "all pairs": losses.ProximalDifference(None),
        "cosine of slopes": losses.SlopeCosine(),
    }
    g = torch.Generator().manual_seed(0)
    true = 0.1 + 0.3 * torch.rand(B, generator=g, dtype=torch.float64)
    target = sine(true, T, 6.28 * torch.rand(B, generator=g))
    off = [0.5, 1.0, 2.0, 4.0]
    low = sine(torch.tensor([100 / 16_000], dtype=torch.float64), 16_000)
    high = sine(torch.tensor([4_020 / 16_000], dtype=torch.float64), 16_000)
    nothing = torch.zeros_like(low)
    rows, curves = [], {}
    for name, loss in kinds.items():
        scape = estimate.landscape(loss, 0.2, num_samples=T)
        reached = []
        for bins in off:
            sign = torch.where(torch.rand(B, generator=g) < 0.5, -1.0, 1.0)
            found = find(loss, true + sign * bins / T, target, steps=300, rate_bins=0.05)
            reached.append(float(((found - true).abs() * T < 0.1).double().mean()))
        curves[name] = reached
        offset = float(loss(nothing + 0.5, nothing)) if name != "cosine of slopes" else 0.0
        slow = (
            float(loss(low, nothing) / loss(high, nothing)) if name != "cosine of slopes" else 0.0
        )
        rows.append(
            [
                name,
                str(scape.minima),
                *(f"{v:.2f}" for v in reached),
                f"{offset:.2g}" if name != "cosine of slopes" else "blind",
                f"{slow:.2g}" if name != "cosine of slopes" else "",
            ]
        )

    def draw(figure):
        axes = figure.subplots()
        for name, line in curves.items():
            axes.plot(off, line, ".-", label=name)
        axes.set_xlabel("start, bins from the truth")
        axes.set_ylabel("share that arrives")
        axes.legend(ncols=2)

    Answer(
        8,
        "Do local slopes suffice globally?",
        f"No: slopes between neighbours have {rows[1][1]} local minima in frequency where the mean square "
        f"has {rows[0][1]}, and they arrive from two bins off in {rows[1][4]} of the cases, the mean "
        f"square in {rows[0][4]}; nothing emerges.",
        "A loss on differences is the mean square of a filtered error: exactly the mean square with slow "
        "errors turned down and constants ignored. With all pairs it is the variance. The filter changes "
        "what is heard, not where the hollows are. The last columns show the price: what a constant "
        "error of 0.5 costs, and how much an error at 100 Hz weighs against one at 4 kHz (16 kHz rate). "
        "Only long lags smooth the landscape somewhat, because they turn down whole combs of frequencies.",
        [
            "slopes over",
            "local minima",
            *(f"from {b:g} bins" for b in off),
            "a constant costs",
            "100 Hz over 4 kHz",
        ],
        rows,
        "Share of 64 sinusoids whose frequency is found, by how far away descent begins.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
