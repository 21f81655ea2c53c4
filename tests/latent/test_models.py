"""Filter bank, bottlenecks, autoencoder, distance: shapes, causality, and what is promised."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.latent import (
    BOTTLENECKS,
    PQMF,
    BandDistance,
    BandVAE,
    make_autoencoder,
    make_bottleneck,
)

TINY: dict[str, Any] = {"size": "nano", "dims": 8, "ratios": (4, 2)}


def db(error: Tensor, wanted: Tensor) -> float:
    return float(10 * torch.log10(error.square().mean() / wanted.square().mean()))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bands", [4, 16])
def test_filter_bank_gives_back_what_it_got(bands: int, causal: bool) -> None:
    pqmf = PQMF(bands, causal)
    audio = torch.randn(2, 2, 8192)
    split = pqmf(torch.nn.functional.pad(audio, (0, pqmf.delay)))
    assert split.shape == (2, 2 * bands, (8192 + pqmf.delay) // bands)
    back = pqmf.inverse(split)[..., pqmf.delay :]
    inner = slice(1024, -1024)
    assert db((back - audio)[..., inner], audio) < -50


def test_a_tone_is_in_its_band_and_nowhere_else() -> None:
    pqmf = PQMF(16)
    tone = torch.sin(math.pi * (5.5 / 16) * torch.arange(16_384))[None, None]
    power = pqmf(tone)[..., 64:-64].square().mean((0, 2))
    assert int(power.argmax()) == 5
    others = torch.cat([power[:5], power[6:]])
    assert float(10 * torch.log10(others.max() / power[5])) < -60
    assert float(power[5]) == pytest.approx(0.5, rel=0.01)  # as loud as it was


def test_causal_bands_know_nothing_of_what_comes() -> None:
    pqmf = PQMF(8, causal=True)
    audio = torch.randn(1, 1, 1024)
    changed = audio.clone()
    changed[..., 512:] = 0
    assert torch.equal(pqmf(audio)[..., :64], pqmf(changed)[..., :64])


@pytest.mark.parametrize("channels", ["mono", "lr", "ms", "dual"])
@pytest.mark.parametrize("bottleneck", list(BOTTLENECKS))
def test_every_kind_of_channels_and_bottleneck_learns(channels: str, bottleneck: str) -> None:
    model = BandVAE(8_000, channels=channels, bottleneck=bottleneck, **TINY)
    audio = torch.randn(2, 1 if channels == "mono" else 2, 1000)
    found, coded = model(audio, torch.tensor([1000, 300]))
    assert found.shape == audio.shape
    assert coded.mean.shape[1] == model.dims == 8
    loss = found.square().mean() + sum(coded.penalty.values())
    loss.backward()
    first = next(model.encoder.parameters())
    assert first.grad is not None
    assert float(first.grad.abs().sum()) > 0


def test_sizes_are_as_large_as_they_say() -> None:
    counts = {
        size: sum(p.numel() for p in BandVAE(44_100, size=size).parameters())
        for size in ("nano", "small", "base")
    }
    assert counts["nano"] < 500_000 < counts["small"] < 2_000_000 < counts["base"] < 8_000_000


def test_a_causal_model_hears_no_further_than_its_frame() -> None:
    model = BandVAE(8_000, causal=True, **TINY).eval()
    audio = torch.randn(1, 1, 16 * model.hop)
    changed = audio.clone()
    changed[..., 8 * model.hop :] = 0
    z, other = model.encode(audio).mean, model.encode(changed).mean
    assert torch.equal(z[..., :8], other[..., :8])
    assert not torch.equal(z[..., 8], other[..., 8])
    longer = model.decode(z)[..., : 8 * model.hop]
    torch.testing.assert_close(longer, model.decode(z[..., :8]), rtol=0, atol=1e-5)


def test_a_latent_depends_on_no_other_item_and_no_seed() -> None:
    model = BandVAE(8_000, **TINY).eval()
    audio = torch.randn(3, 1, 2048)
    together = model.encode(audio).mean
    torch.manual_seed(5)
    torch.testing.assert_close(together[1:2], model.encode(audio[1:2]).mean, rtol=0, atol=1e-6)
    alone = model.decode(together[:1])
    torch.testing.assert_close(model.decode(together)[:1], alone, rtol=0, atol=1e-6)


def test_residual_vectors_come_nearer_with_every_stage_and_cost_their_bits() -> None:
    rvq: Any = make_bottleneck("rvq", 4, stages=4, size=16, decay=0.5)
    h = torch.randn(8, 4, 32)
    for _ in range(30):
        rvq(h)
    coded = rvq.eval()(h)
    errors = [float((rvq.decoded(coded.codes[:, :n]) - h).square().mean()) for n in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < 0.5 * errors[0]
    assert rvq.bits() == 16
    torch.testing.assert_close(rvq.decoded(coded.codes), coded.mean)
    before = rvq.vectors.clone()
    rvq.train()(torch.full_like(h, math.nan))
    assert torch.equal(rvq.vectors, before)  # a bad batch moves nothing


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_what_is_frozen_stays_whatever_train_says(norm: str) -> None:
    model = BandVAE(8_000, bottleneck="rvq", norm=norm, **TINY)
    optimizer = torch.optim.Adam(model.decoder.parameters())
    model.freeze()
    before, decoder = model.encoder_hash(), model.decoder.state_dict()["0.conv.weight"].clone()
    for _ in range(50):
        model.train(True)
        optimizer.zero_grad()
        model(torch.randn(2, 1, 512))[0].square().mean().backward()
        optimizer.step()
    assert model.encoder_hash() == before
    assert not torch.equal(model.decoder.state_dict()["0.conv.weight"], decoder)


def test_padding_does_not_change_the_distance() -> None:
    distance = BandDistance()
    sound = torch.randn(1, 1, 4096) * torch.exp(-torch.arange(4096) / 800)
    noisy = sound + 1e-3 * torch.randn(1, 1, 4096)
    length = torch.tensor([4096])
    near = distance(noisy, sound, length)
    for share in (0.5, 0.9):
        more = round(4096 / (1 - share)) - 4096
        padded, padded_noisy = (torch.nn.functional.pad(x, (0, more)) for x in (sound, noisy))
        assert float(distance(padded, padded, length)) == pytest.approx(0, abs=1e-6)
        torch.testing.assert_close(
            distance(padded_noisy, padded, length), near, rtol=1e-6, atol=1e-6
        )
    # Without the mask the same noise costs more and more.
    plain = BandDistance(masked=False, floor_db=None)
    quiet = padded + 1e-3 * torch.randn_like(padded)
    assert float(plain(quiet, padded)) > float(plain(noisy, sound)) > 0


def test_what_is_heard_in_the_padding_is_paid_for() -> None:
    distance = BandDistance()
    sound = torch.zeros(1, 1, 8192)
    sound[..., :4096] = torch.randn(4096)
    click = sound.clone()
    click[..., 6000] = 50.0
    length = torch.tensor([4096])
    parts = distance.parts(click, sound, length)
    assert float(parts["silence"]) == pytest.approx(2500 / 4096, rel=0.1)
    assert float(distance(click, sound, length)) == pytest.approx(float(parts["silence"]), abs=1e-5)


def test_stereo_is_also_compared_as_middle_and_side() -> None:
    distance = BandDistance()
    left, right = torch.randn(2, 1, 1, 4096).unbind()
    wide = torch.cat([left, right], 1)
    swapped = torch.cat([right, left], 1)
    assert float(distance(swapped, wide)) > 1
    assert distance(wide, wide).tolist() == [0]


def test_wrong_options_name_what_was_meant() -> None:
    with pytest.raises(UserError, match=r"no option 'siz'; did you mean 'size'"):
        make_autoencoder("band", 8_000, siz="nano")
    with pytest.raises(UserError, match=r"no bottleneck 'gaus'; did you mean 'gauss'"):
        BandVAE(8_000, bottleneck="gaus")
    with pytest.raises(UserError, match=r"no size 'tiny'"):
        BandVAE(8_000, size="tiny")
    with pytest.raises(ValueError, match=r"audio must be \(b, 1, t\), got \(1, 2, 64\)"):
        BandVAE(8_000, **TINY).encode(torch.zeros(1, 2, 64))
