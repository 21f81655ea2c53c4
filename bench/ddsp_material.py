"""``python -m bench.ddsp_material`` writes bench/DDSP.md: decoders of a bass and of a voice.

Trains `dspcore train ddsp` on the tonal basses of sonic_pi and on twelve sentences of espeak-ng,
16 kHz, and transfers the voice to the bass; needs ../shared/data (or DSPCORE_DATA) and espeak-ng.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import torch

from dspcore import audio, ddsp, train

ROOT = Path(__file__).parents[1]
BASSES = ("bass_hard_c", "bass_thick_c", "bass_trance_c", "bass_voxy_c", "bass_woodsy_c")
SENTENCES = (
    "one two three", "four five six", "seven eight nine", "we were away a year ago",
    "our lawyer will allow your rule", "you may ring me any morning", "no one knew where Noel was",
    "more rain in May", "a yellow lion roars", "the moon moves low", "Wyoming", "in an hour",
)  # fmt: skip


def learned(name: str, takes: Path, folder: Path, steps: int) -> tuple[ddsp.DDSP, str]:
    """A decoder of the recordings, and its row of the table."""
    fit = train.FitConfig(
        folder=str(folder),
        steps=steps,
        optimizer=train.OptimizerConfig(lr=2e-3, clip_norm=3.0),
        average=train.AverageConfig(decay=0.98),
        validate_every=max(1, steps // 4),
        trackers=[],
        progress=False,
    )
    begun = time.process_time()
    done = ddsp.fit_ddsp(ddsp.DDSPConfig(data=str(takes), fit=fit, held_out=0.2))
    took = time.process_time() - begun
    files = len(list(takes.iterdir()))
    row = f"| {name} | {files} | {steps} | {took:.0f} | {done.before:.2f} | {done.after:.2f} |"
    return done.model, row


def main() -> None:
    """Train both, transfer one to the other, write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "DDSP.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = Path(os.environ.get("DSPCORE_DATA", ROOT.parent / "shared" / "data"))
    with tempfile.TemporaryDirectory() as desk:
        bass, voice = Path(desk, "bass"), Path(desk, "voice")
        bass.mkdir()
        voice.mkdir()
        for name in BASSES:
            shutil.copy(data / "sonic_pi" / f"{name}.flac", bass)
        for i, text in enumerate(SENTENCES):
            subprocess.run(["espeak-ng", "-w", str(voice / f"{i}.wav"), text], check=True)
        rows, models = [], []
        for name, takes in (("sonic_pi basses", bass), ("espeak-ng's voice", voice)):
            model, row = learned(name, takes, Path(desk, f"run_{takes.name}"), given.steps)
            models.append(model)
            rows.append(row)
        sound, rate = audio.read(voice / "4.wav")
        source = torch.nn.functional.interpolate(
            sound[None], size=round(sound.shape[1] * 16_000 / rate), mode="linear"
        )[0, 0]
        done = ddsp.transfer(models[0], source)
        heard = ddsp.features(done.sound[0], 16_000, models[0].config.hop_length)
        wanted = done.recording.features
        both = heard.voiced[: len(wanted.voiced)] & wanted.voiced[: len(heard.voiced)]
        count = len(both)
        cents = 1200 * torch.log2(heard.f0_hz[:count] / wanted.f0_hz[:count])
        cents = cents - 1200 * done.octaves
        off = float(cents[both].abs().median())
    moved = f"moved by {done.octaves:+.0f} octaves, where both have a pitch"
    given.out.write_text(
        "# DDSP on recordings\n\nWritten by `python -m bench.ddsp_material`, one thread: decoders "
        "of the default model (16 kHz), multi-scale spectral loss of held-out excerpts before and "
        "after.\n\n| recordings | files | steps | CPU s | loss before | after |\n"
        "|---|---:|---:|---:|---:|---:|\n" + "\n".join(rows) + "\n\n"
        "A sentence of the voice played by the bass: its melody is kept within "
        f"{off:.0f} cents (median, {moved}: {int(both.sum())} of {count} frames).\n",
        encoding="utf-8",
    )
    print(given.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
