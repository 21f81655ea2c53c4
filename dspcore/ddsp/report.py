"""Pages about a trained decoder and about a transfer: players, spectrograms, the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dspcore.audio import dbfs
from dspcore.ddsp.data import Recording
from dspcore.ddsp.features import loudness
from dspcore.ddsp.model import DDSP
from dspcore.report import PLAYED_SECONDS, drawn, figure, level, numbers, page, player, players
from dspcore.train import Fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN = 3  # recordings


def training_report(
    model: DDSP, recordings: list[Recording], fitted: Fitted, before: float, after: float
) -> str:
    """The page of a run: recordings beside what the decoder makes of their pitch and loudness."""
    rate = model.config.sample_rate
    seconds = sum(len(r.sound) for r in recordings) / rate
    heard, mean, _ = (float(x) for x in model.heard)
    cards = [
        ("spectral loss before", f"{before:.3f}"),
        ("spectral loss after", f"{after:.3f}"),
        ("steps", f"{fitted.step:,}"),
        ("recordings", f"{len(recordings)}, {seconds:.0f} s"),
        ("median pitch", f"{heard:.0f} Hz"),
        ("loudness", f"{mean:.1f} dB(A)"),
    ]
    parts = [numbers(cards), "<h2>Listen</h2>"]
    loudest = sorted(recordings, key=lambda r: -float(r.features.confidence.mean()))
    for recording in loudest[:_SHOWN]:
        parts += _compared(model, recording)
    if history := _history(fitted.folder):
        parts += [
            "<h2>The run</h2>",
            figure(
                drawn(lambda canvas: _run(canvas, history), 3.0),
                "Spectral loss over the steps",
                "Of each logged step, and of the excerpts that were held out.",
            ),
        ]
    notes = [
        "Losses are of excerpts that the decoder was not trained on.",
        f"The decoder hears a recording only as pitch and loudness, {_frames(model)} times a "
        "second; what differs beyond those, words for instance, it cannot know.",
    ]
    return page("A decoder and what it has learnt", parts, notes)


def transfer_report(
    model: DDSP, recording: Recording, sound: Tensor, octaves: float, gain_db: float
) -> str:
    """The page of a transfer: the recording beside what the decoder played."""
    rate = model.config.sample_rate
    cards = [
        ("pitch moved", f"{octaves:+g} octaves"),
        ("loudness moved", f"{gain_db:+.1f} dB"),
        ("has a pitch", f"{100 * float(recording.features.voiced.float().mean()):.0f} %"),
    ]
    parts = [numbers(cards), "<h2>Listen</h2>", _pair(recording, sound, rate)]
    parts.append(
        figure(
            drawn(lambda canvas: _features(canvas, model, recording, sound), 4.2),
            "Pitch and loudness",
            "What was heard, and the loudness of what was played.",
        )
    )
    return page(f"{recording.path} in another timbre", parts)


def _compared(model: DDSP, recording: Recording) -> list[str]:
    known, rate = recording.features, model.config.sample_rate
    kept = PLAYED_SECONDS * rate // model.config.hop_length
    with torch.no_grad():
        made = model(known.f0_hz[None, :kept], known.loudness_db[None, :kept])[0]
    made = made[:, : len(recording.sound)]
    return [f"<h3>{recording.path}</h3>", _pair(recording, made, rate)]


def _pair(recording: Recording, made: Tensor, rate: int) -> str:
    kept = PLAYED_SECONDS * rate
    sounds = {"recording": recording.sound[None, :kept], "decoder": made[:, :kept]}
    loudest = max(float(s.abs().max()) for s in sounds.values())
    gain = min(1.0, 0.99 / max(loudest, 1e-9))
    blocks = [
        player(name, f"peak {level(dbfs(float(s.abs().max())), 'dBFS')}", gain * s, rate)
        for name, s in sounds.items()
    ]
    drawing = drawn(
        lambda canvas: _spectrograms(canvas, {n: s[0] for n, s in sounds.items()}, rate), 4.6
    )
    shown = figure(drawing, "Spectrograms", "Above the recording, below the decoder; 70 dB deep.")
    return players(blocks) + "\n" + shown


def _spectrograms(canvas: Figure, sounds: dict[str, Tensor], rate: int) -> None:
    size = 1 << round(np.log2(0.04 * rate))
    window = torch.hann_window(size)
    top = -np.inf
    pictures = {}
    for name, sound in sounds.items():
        spectrum = torch.stft(
            sound.float(), size, size // 4, window=window, pad_mode="constant", return_complex=True
        )
        pictures[name] = 20 * torch.log10(spectrum.abs() + 1e-9)
        top = max(top, float(pictures[name].max()))
    rows: list[Axes] = list(canvas.subplots(len(sounds), 1, sharex=True))
    for axes, (name, picture) in zip(rows, pictures.items(), strict=True):
        extent = (0.0, sounds[name].shape[0] / rate, 0.0, rate / 2000)
        axes.imshow(
            picture.numpy(), origin="lower", aspect="auto", extent=extent, cmap="magma",
            vmin=top - 70, vmax=top,
        )  # fmt: skip
        axes.grid(False)
        axes.set_ylabel(f"{name}\nkHz")
    rows[-1].set_xlabel("time, s")


def _features(canvas: Figure, model: DDSP, recording: Recording, sound: Tensor) -> None:
    rate, hop = model.config.sample_rate, model.config.hop_length
    pitch, loud = canvas.subplots(2, 1, sharex=True)
    known = recording.features
    times = np.arange(len(known.f0_hz)) * hop / rate
    shown = torch.where(known.voiced, known.f0_hz, torch.nan).numpy()
    pitch.plot(times, shown, color="#1d4ed8")
    pitch.set_yscale("log")
    pitch.yaxis.set_major_formatter("{x:.0f}")
    pitch.yaxis.set_minor_formatter("{x:.0f}")
    pitch.set_ylabel("pitch heard, Hz")
    made = loudness(sound.float(), rate, hop)[0].numpy()
    loud.plot(times, known.loudness_db.numpy(), color="#8cb8e8", linewidth=3, label="heard")
    loud.plot(times[: len(made)], made[: len(times)], color="#c2410c", label="played")
    loud.set_ylabel("loudness, dB(A)")
    loud.set_xlabel("time, s")
    loud.legend()


def _history(folder: Path | None) -> dict[str, list[tuple[int, float]]]:
    """The logged losses by name, with their steps."""
    found: dict[str, list[tuple[int, float]]] = {}
    if folder is None or not (folder / "metrics.jsonl").is_file():
        return found
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for name in ("loss", "validation/loss"):
            if isinstance(row.get(name), (int, float)):
                found.setdefault(name, []).append((int(row["step"]), float(row[name])))
    return found


def _run(canvas: Figure, history: dict[str, list[tuple[int, float]]]) -> None:
    axes = canvas.subplots()
    looks = {"loss": ("#8cb8e8", "step"), "validation/loss": ("#c2410c", "held out")}
    for name, points in history.items():
        color, label = looks[name]
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, color=color, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("spectral loss")
    axes.legend()


def _frames(model: DDSP) -> str:
    return f"{model.config.sample_rate / model.config.hop_length:g}"
