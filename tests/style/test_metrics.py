"""Distances and timbre: known changes give known numbers, and public models give the same."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import auraloss
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import dspcore
from dspcore.style import brightness, depth, level_matched, make_encoder, metrics, timbre
from dspcore.style.clips import read_clips, resampled

RATE = 24_000

#: Brightness and depth by timbral_models 0.4.0 (Apache-2.0), of the first 2.7 s of recordings,
#: mixed down; run once, with its calls of librosa 0.11 mended.
GOLDEN = {
    "ambi_choir": (55.53, 29.84),
    "bass_thick_c": (29.79, 71.73),
    "bd_zome": (49.83, 68.98),
    "drum_splash_soft": (83.14, 27.76),
    "elec_hi_snare": (75.68, 35.79),
    "guit_harmonics": (54.56, 27.21),
    "hat_zild": (85.20, 30.65),
    "misc_cineboom": (65.67, 67.70),
    "sn_dub": (77.10, 41.56),
    "tabla_re": (73.28, 58.99),
}


def noise(seconds: float = 1.0, batch: int = 2) -> Tensor:
    swell = torch.linspace(0.2, 1.0, int(seconds * RATE))
    return 0.1 * torch.randn(batch, 1, int(seconds * RATE)) * swell


@pytest.mark.usefixtures("native")
def test_six_decibels_are_six_in_every_level() -> None:
    x = noise()
    louder = x * 10 ** (6 / 20)
    assert metrics.rms_error(louder, x).tolist() == pytest.approx([6.0, 6.0], abs=1e-4)
    assert metrics.lufs_error(louder, x, RATE).tolist() == pytest.approx([6.0, 6.0], abs=1e-3)
    assert metrics.crest_error(louder, x).tolist() == pytest.approx([0.0, 0.0], abs=1e-4)
    # Of the logarithm's part alone: ln 2, and what the magnitudes add.
    found = metrics.stft_distance(louder, x)
    assert float(found.min()) > 6 / 20 * math.log(10)
    for level in ("rms", "peak", "lufs"):
        even = level_matched(louder, x, level, RATE)  # type: ignore[arg-type]
        assert float(metrics.stft_distance(even, x).max()) < 1e-3
    with pytest.raises(ValueError, match="did you mean 'rms'"):
        level_matched(x, x, "rmss")  # type: ignore[arg-type]


@pytest.mark.usefixtures("native")
def test_short_and_silent_sounds_have_an_answer() -> None:
    short, silence = noise(0.3), torch.zeros(2, 1, 7200)
    assert bool(metrics.lufs_error(2 * short, short, RATE).isfinite().all())
    assert bool(metrics.lufs_error(silence, short, RATE).isnan().all())
    assert bool(metrics.stft_distance(silence, short).isfinite().all())
    assert not bool(level_matched(silence, short).any())


def test_the_distance_is_that_of_auraloss() -> None:
    """Where neither window reaches over the ends: they are padded differently."""
    sizes = (128, 512, 2048)
    x, y = (functional.pad(noise(0.5), (2048, 2048)) for _ in range(2))
    other = auraloss.freq.MultiResolutionSTFTLoss(
        fft_sizes=sizes, hop_sizes=[n // 2 for n in sizes], win_lengths=sizes,
        w_sc=0.0, w_log_mag=1.0, w_lin_mag=1.0,
    )  # fmt: skip
    wanted = [float(other(a[None], b[None])) for a, b in zip(x, y, strict=True)]
    assert metrics.stft_distance(x, y, sizes).tolist() == pytest.approx(wanted, rel=1e-5)


def test_a_tone_has_its_centroid() -> None:
    t = torch.arange(RATE) / RATE
    low, high = (torch.sin(2 * torch.pi * f * t)[None, None] for f in (1000, 3000))
    assert float(metrics.centroid_error(high, low, RATE)) == pytest.approx(2000, abs=30)


def test_speech_quality_falls_with_noise(data_folder: Path) -> None:
    speech = read_clips(data_folder / "fsdd", RATE, 2.0, limit=1).audio
    dirty = [speech + level * noise(2.0, 1) for level in (0.0, 0.05, 0.5)]
    scores = [float(metrics.pesq(sound, speech, RATE)) for sound in dirty]
    assert scores[0] > 4.5
    assert scores[0] > scores[1] > scores[2] > 1.0


def test_speech_quality_that_cannot_be_measured_is_counted() -> None:
    failures: Counter[str] = Counter()
    found = metrics.pesq(torch.zeros(1, 1, RATE), torch.zeros(1, 1, RATE), RATE, failures)
    assert bool(found.isnan().all())
    assert failures.total() == 1


@pytest.mark.usefixtures("native")
def test_timbre_is_that_of_the_audiocommons_models(data_folder: Path) -> None:
    found = []
    for name in GOLDEN:
        sound, rate = dspcore.audio.read(data_folder / "sonic_pi" / f"{name}.flac")
        found.append(timbre(sound.mean(0)[None, None, : int(2.7 * rate)], rate)[0])
    got, wanted = torch.stack(found), torch.tensor(list(GOLDEN.values()))
    off = (got - wanted).abs()
    assert bool((off < torch.tensor([0.5, 3.0])).all()), dict(zip(GOLDEN, off, strict=True))
    for column in (0, 1):
        both = torch.stack([got[:, column], wanted[:, column]])
        assert float(torch.corrcoef(both)[0, 1]) > 0.999


@pytest.mark.usefixtures("native")
def test_timbre_is_of_each_item_and_not_of_silence() -> None:
    x = torch.cat([noise(0.5), torch.zeros(1, 1, RATE // 2)])
    found = timbre(x, RATE)
    assert found[:2, 0].tolist() == pytest.approx(brightness(x[:2], RATE).tolist(), abs=1e-3)
    assert found[1:2, 1].tolist() == pytest.approx(depth(x[1:2], RATE).tolist(), abs=1e-3)
    assert bool(found[2].isnan().all())
    assert bool(timbre(x[:1, :, :700], RATE).isfinite().all())  # shorter than a window
    # What is heard hardly depends on the rate that it is sampled at.
    high = timbre(resampled(x[:2], RATE, 44_100), 44_100)
    assert float((high - found[:2]).abs().max()) < 2.0


@pytest.mark.parametrize("name", ["logmel", "statistics", "conv", "vae"])
def test_what_is_heard_does_not_depend_on_batch_mates_or_chance(name: str) -> None:
    encoder = make_encoder(name, RATE).freeze()
    x = noise(0.6, 3)
    together = encoder.embed(x)
    torch.manual_seed(5)
    alone = torch.cat([encoder.embed(item[None]) for item in x])
    assert float((together - alone).abs().max()) < 1e-6 * float(together.abs().max())


def test_a_frozen_encoder_stays_as_it_is_in_training() -> None:
    encoder = make_encoder("conv", RATE).freeze()
    whole = torch.nn.Sequential(encoder, torch.nn.Linear(64, 1))
    before = encoder.digest()
    optimizer = torch.optim.SGD([p for p in whole.parameters() if p.requires_grad], lr=0.1)
    for _ in range(50):
        whole.train(True)
        loss = whole(noise(0.5, 1)).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert encoder.digest() == before
    assert make_encoder("conv", RATE).digest() != before  # other weights, another name
    loose = make_encoder("conv", RATE).train()
    known = loose.digest()
    loose(noise(0.5))
    assert loose.digest() != known  # the test can fail: batch statistics move
