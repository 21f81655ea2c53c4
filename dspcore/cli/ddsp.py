"""``dspcore ddsp``: play a recording's melody with a trained decoder, and look at pitch."""

from __future__ import annotations

import json
from pathlib import Path

import click
import torch

from dspcore import audio
from dspcore.errors import UserError
from dspcore.files import write_text


@click.group()
def command() -> None:
    """Timbre transfer with a trained decoder, and the pitch and loudness of a recording.

    \b
    Example:
        dspcore ddsp transfer run/ in.wav -o out.wav
    """


@command.command()
@click.argument("run")
@click.argument("recording")
@click.option("-o", "--output", required=True, help="Audio file to write.")
@click.option("--octaves", type=float, help="Move the pitch.  [default: near what it has heard]")
@click.option("--loudness", type=float, help="Add dB.  [default: levels that it has heard]")
@click.option("--min-hz", type=float, default=50.0, show_default=True, help="Lowest pitch.")
@click.option("--max-hz", type=float, default=1_000.0, show_default=True, help="Highest pitch.")
@click.option("--dry", is_flag=True, help="Leave out the learnt room, which fills pauses.")
@click.option("--report", help="HTML page to write, with players.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
def transfer(
    run: str,
    recording: str,
    output: str,
    octaves: float | None,
    loudness: float | None,
    min_hz: float,
    max_hz: float,
    dry: bool,
    report: str | None,
    overwrite: bool,
) -> None:
    """Play the melody of RECORDING with the decoder of RUN.

    \b
    Examples:
        dspcore ddsp transfer run/ singing.wav -o bass.wav --octaves -1
        dspcore ddsp transfer run/ singing.wav -o bass.wav --report bass.html
    """
    from dspcore.ddsp import load_ddsp
    from dspcore.ddsp.data import read_mono
    from dspcore.ddsp.report import transfer_report
    from dspcore.ddsp.transfer import transfer as play

    for path in (output, report):
        if path is not None and Path(path).exists() and not overwrite:
            raise UserError(f"{path}: exists already; replace with --overwrite")
    audio.format_of(output)
    model = load_ddsp(run)
    rate = model.config.sample_rate
    done = play(
        model,
        read_mono(recording, rate),
        name=recording,
        octaves=octaves,
        loudness_db=loudness,
        room=not dry,
        min_hz=min_hz,
        max_hz=max_hz,
    )
    peak = max(1.0, float(done.sound.abs().max()) / 0.99)
    audio.write(output, done.sound / peak, rate)
    if report is not None:
        page = transfer_report(model, done.recording, done.sound, done.octaves, done.gain_db)
        write_text(report, page)
    click.echo(
        f"{output}: {done.sound.shape[1] / rate:.2f} s, {rate} Hz, pitch {done.octaves:+g} "
        f"octaves, loudness {done.gain_db:+.1f} dB"
    )


@command.command()
@click.argument("recording")
@click.option("--min-hz", type=float, default=50.0, show_default=True, help="Lowest pitch.")
@click.option("--max-hz", type=float, default=1_000.0, show_default=True, help="Highest pitch.")
@click.option("--hop-ms", type=float, default=10.0, show_default=True, help="Between frames.")
@click.option("--json", "as_json", is_flag=True, help="Every frame, as JSON.")
def track(recording: str, min_hz: float, max_hz: float, hop_ms: float, as_json: bool) -> None:
    """Say the pitch and the loudness of RECORDING.

    \b
    Example:
        dspcore ddsp track singing.wav
    """
    from dspcore.ddsp import features

    sound, rate = audio.read(recording)
    hop = max(1, round(hop_ms * rate / 1000))
    found = features(sound.mean(0), rate, hop, min_hz=min_hz, max_hz=max_hz)
    if as_json:
        rows = {
            "hop_seconds": hop / rate,
            "f0_hz": [round(float(x), 3) for x in found.f0_hz],
            "confidence": [round(float(x), 4) for x in found.confidence],
            "voiced": found.voiced.tolist(),
            "loudness_db": [round(float(x), 2) for x in found.loudness_db],
        }
        click.echo(json.dumps(rows))
        return
    share = float(found.voiced.float().mean())
    if not share:
        click.echo(f"{recording}: no pitch from {min_hz:g} to {max_hz:g} Hz")
        return
    low, middle, high = torch.quantile(
        found.f0_hz[found.voiced], torch.tensor([0.05, 0.5, 0.95])
    ).tolist()
    click.echo(
        f"{recording}: a pitch in {100 * share:.0f} % of {len(found.f0_hz)} frames, median "
        f"{middle:.1f} Hz, nine tenths from {low:.1f} to {high:.1f} Hz; loudest "
        f"{float(found.loudness_db.max()):.1f} dB(A)"
    )
