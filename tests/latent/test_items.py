"""What a run learns from: every short sound is there, and what is done to it is done again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dspcore import audio, data
from dspcore.errors import UserError
from dspcore.latent import AugmentConfig, Batches, DataConfig, open_data
from dspcore.latent.augment import resampled

RATE, HOP = 8_000, 128


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty hits of 10 ms to 390 ms."""
    (tmp_path / "hits").mkdir()
    for i in range(20):
        sound = torch.zeros(1, 80 + 160 * i)
        sound[..., : 80 + 20 * i] = 0.5
        audio.write(tmp_path / "hits" / f"h{i:02}.wav", sound, RATE)
    return tmp_path / "hits"


def test_no_short_sound_is_dropped(folder: Path, tmp_path: Path) -> None:
    found = open_data(DataConfig(str(folder), valid=0.2, seconds=0.2), RATE, 1, HOP, tmp_path / "r")
    both = [*found.training.indices, *found.validation.indices]
    assert sorted(both) == list(range(20))
    assert len(found.validation) == 4
    lengths = {found.training[i]["length"] for i in range(16)}
    assert found.training.samples % HOP == 0
    assert min(lengths) < 1_000 < max(lengths) <= found.training.samples


def test_shards_are_read_where_they_fit_and_refused_where_not(folder: Path, tmp_path: Path) -> None:
    rows = data.scan([folder], tmp_path / "set.jsonl")
    data.pack(rows, tmp_path / "set.jsonl", tmp_path / "shards", data.Format(RATE, 1))
    config = DataConfig(str(tmp_path / "shards"), valid=0.2)
    assert len(open_data(config, RATE, 1, HOP, tmp_path / "run").shards) == 20
    with pytest.raises(UserError, match=r"shards at 8000 Hz, and a model at 16000 Hz; set"):
        open_data(config, 16_000, 1, HOP, tmp_path / "run")
    with pytest.raises(UserError, match=r"clips of \[1\] channels, and a model of 2"):
        open_data(config, RATE, 2, HOP, tmp_path / "run")


def test_a_batch_is_the_same_whenever_it_is_asked_for(folder: Path, tmp_path: Path) -> None:
    clips = open_data(DataConfig(str(folder), seconds=0.2), RATE, 1, HOP, tmp_path / "r").training
    augment = AugmentConfig(speed_octaves=0.5, gain_db=6.0, polarity=True, mix=0.5)
    batches = Batches(clips, 4, 1, augment)
    first, later = batches(7), batches(8)
    again = Batches(clips, 4, 1, augment)(7)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["audio"], later["audio"])
    for sound, length in zip(first["audio"], first["length"].tolist(), strict=True):
        assert 0 < length <= clips.samples
        assert float(sound[:, length:].abs().sum()) == 0


@pytest.mark.parametrize("samples", [3_000, 4_000, 5_701])
def test_another_speed_neither_dulls_nor_folds(samples: int) -> None:
    n, cycles = 4_000, 1_200
    tone = torch.sin(2 * torch.pi * cycles * (torch.arange(n) / n))[None]
    found = resampled(tone, samples)[0]
    assert found.shape == (samples,)
    power = torch.fft.rfft(found * torch.hann_window(samples)).abs().square()
    assert float(power[cycles - 5 : cycles + 6].sum() / power.sum()) > 0.999  # it was all there
    loud = found[samples // 8 : -samples // 8].square().mean()
    assert float(loud) == pytest.approx(0.5, rel=0.02)


def test_what_is_done_to_a_clip_is_within_its_limits(folder: Path, tmp_path: Path) -> None:
    clips = open_data(DataConfig(str(folder), seconds=0.4), RATE, 1, HOP, tmp_path / "r").training
    plain = Batches(clips, 8, 0)(0)
    changed = Batches(clips, 8, 0, AugmentConfig(speed_octaves=0.5, gain_db=6.0))(0)
    ratio = changed["length"] / plain["length"]
    assert 0.7 < float(ratio.min()) < 1 < float(ratio.max()) < 1.42
    gain = 20 * torch.log10(changed["audio"].amax((1, 2)) / plain["audio"].amax((1, 2)))
    assert -6.1 < float(gain.min()) < 0 < float(gain.max()) < 6.1
    with pytest.raises(UserError, match="mix from 0 to 1"):
        AugmentConfig(mix=2.0)
