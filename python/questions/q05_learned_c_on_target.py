"""Q5: is a learned c on the target meaningful."""

from __future__ import annotations

import math

import torch
from answer import Answer
from descent import Loss, said_db, speech, trained

from dspcore import losses, nn, train

WAVES, STEPS, T = 40, 400, 2_048


def main() -> None:
    """A bank that starts a little wrong, descending through curves over sound and target."""
    clip = speech(0.6)[4_000 : 4_000 + T]
    clip = clip / clip.abs().max()
    times = torch.arange(T, dtype=torch.float32)
    square = losses.Waveform()
    plans: dict[str, tuple[Loss, nn.Warp | None]] = {"no curve": (square, None)}
    for kind, c in (("sine", 1.0), ("gate", 5.0)):
        for name, learned, normalize in (
            ("c held", False, False),
            ("c learned", True, False),
            ("c learned, normalised", True, True),
        ):
            warp = nn.Warp(kind, c).requires_grad_(learned)
            plans[f"{kind}, {name}"] = losses.Warped(square, warp, normalize), warp
    rows, curves = [], {}
    for name, (loss, warp) in plans.items():
        model = nn.for_clip(nn.SineChain, clip, layers=1, waves=WAVES, frequency=math.pi)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():  # amplitudes a third too small, phases and frequencies a little off
            model.amplitude.mul_(0.67)
            model.phase.add_(0.5 * torch.randn(WAVES, generator=generator))
            model.frequency.add_(0.2 / T * torch.randn(WAVES, generator=generator))
        begun = said_db(model, times, clip)
        both = torch.nn.ModuleDict({"bank": model})
        if warp is not None:
            both["warp"] = warp
        rates = {"bank.frequency": 0.01}
        if warp is not None and warp.frequency.requires_grad:
            rates["warp.*"] = 5.0
        rule = train.OptimizerConfig(lr=2e-3, rates=rates)
        track: list[float] = []
        reached = trained(Heard(both, track), times, clip, at(rule), steps=STEPS, loss=loss)
        curves[name] = track
        first = "" if warp is None else f"{5.0 if warp.kind == 'gate' else 1.0:.1f}"
        last = "" if warp is None else f"{float(warp.frequency.detach()):.3f}"
        rows.append([name, first, last, f"{begun:.1f}", f"{reached:.1f}"])

    def draw(figure):
        axes = figure.subplots()
        for name, line in curves.items():
            if "learned" in name:
                axes.plot(line, label=name)
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("c")
        axes.legend()

    free, held, gates = rows[2], rows[3], rows[4:]
    Answer(
        5,
        "Is a learned c on the target meaningful?",
        f"Not as it was tried: left free, c goes from 1 to {free[2]}, where sound and target both vanish and the loss "
        f"with them, and the bank ends at {free[4]} dB against {rows[0][4]} dB without a curve. Divided by the loss of "
        f"silence c ends at {held[2]} too, where the curve is a straight line, and the bank at {held[4]} dB; a gate "
        f"that is learned ends at {gates[1][4]} dB, normalised at {gates[2][4]} dB, one that is held at {gates[0][4]} dB.",
        "Sound and target go through sin(c x), or through the gate sigmoid(c (x - tau)). Whatever makes both small "
        "makes the loss small, and c is the quickest way there; how far it gets in "
        f"{STEPS} steps depends on its rate. Divided by the loss of silence there is no such gain, and of the sines the "
        "straight one is left: the plain mean square. A gate hears the waveform about its threshold and nothing else, so "
        "to learn where it stands is to unlearn the rest. No curve tells the bank anything about frequencies that the "
        f"waveform does not. {WAVES} waves on 0.13 s of speech, one clip.",
        ["curve", "c first", "c last", "SNR first", "SNR last"],
        rows,
        "c as it is learned.",
    ).publish(draw, script=__file__)


class Heard(torch.nn.Module):
    """The bank of a pair, with c written down at every step."""

    def __init__(self, both: torch.nn.ModuleDict, track: list[float]) -> None:
        """Takes bank and warp."""
        super().__init__()
        self.both, self.track = both, track

    def forward(self, times: torch.Tensor) -> torch.Tensor:
        """What the bank says."""
        if "warp" in self.both:
            self.track.append(float(self.both["warp"].frequency.detach()))
        said: torch.Tensor = self.both["bank"](times)
        return said


def at(rule: train.OptimizerConfig) -> train.OptimizerConfig:
    """The rule with the names that `Heard` gives."""
    rates = {f"both.{name}": factor for name, factor in rule.rates.items()}
    return train.OptimizerConfig(lr=rule.lr, rates=rates)


if __name__ == "__main__":
    main()
