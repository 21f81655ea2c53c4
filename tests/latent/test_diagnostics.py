"""What a latent looks like from outside: counts against brute force, known decoders, yardsticks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import resample
from torch import Tensor

from dspcore.latent import diagnostics as d
from dspcore.latent.distance import BandDistance

RATE = 16_000


def snares(count: int = 8, seconds: float = 0.4) -> Tensor:
    """Hits of noise and a tone, each with its own decay, pitch and colour, (count, 1, t)."""
    draw = torch.Generator().manual_seed(1)
    t = torch.arange(int(seconds * RATE)) / RATE
    out = []
    for _ in range(count):
        decay, pitch, tone, bright = torch.rand(4, generator=draw).tolist()
        noise = torch.randn(len(t), generator=draw)
        smooth = torch.nn.functional.avg_pool1d(noise[None], 5, 1, 2)[0]
        body = bright * noise + (1 - bright) * smooth
        hit = body + (0.5 + tone) * torch.sin(2 * math.pi * (150 + 100 * pitch) * t)
        hit = hit * torch.exp(-t * (12 + 25 * decay))
        out.append(0.5 * hit / hit.abs().max())
    lsb = 2.0**-15
    return (torch.stack(out) / lsb).round()[:, None] * lsb


def test_dims_under_the_limit_are_counted_as_by_hand() -> None:
    bits = torch.rand(128, generator=torch.Generator().manual_seed(0))
    by_hand = [b for b in bits.tolist() if b < 0.5]
    assert d.dims_under(bits) == (len(by_hand), len(by_hand) / 128)
    journal = torch.cat([torch.full((40,), 0.49), torch.full((88,), 0.51)])
    assert d.dims_under(journal) == (40, 0.3125)  # not 34 %
    assert d.dims_parked(journal) == 128  # all of them lie near the limit
    assert d.dims_parked(torch.tensor([0.44, 0.46, 0.56, 3.0])) == 1


def test_sobol_index_of_a_linear_decoder_is_its_share_of_power() -> None:
    weights = torch.randn(6, 40) * torch.tensor([3.0, 2.0, 1.0, 1.0, 0.5, 0.0])[:, None]
    z = torch.randn(4096, 6)
    found = d.sobol(lambda part: part @ weights, z, partners=3, batch=512)
    shares = weights.square().sum(1) / weights.square().sum()
    assert float(((found - shares) / shares.clamp(min=0.02)).abs()[:5].max()) < 0.05
    assert float(found[5]) < 1e-3
    assert d.dims_used(found) == 5
    with pytest.raises(ValueError, match="partners must be 1 to 1"):
        d.sobol(lambda part: part, torch.randn(2, 3), partners=2)


def test_a_product_of_dims_is_seen_in_both() -> None:
    z = torch.randn(4096, 3)
    found = d.sobol(lambda part: part[:, :1] * part[:, 1:2], z, partners=3)
    assert found.tolist() == pytest.approx([1.0, 1.0, 0.0], abs=0.08)  # their sum is above 1


def test_five_factors_behind_an_unlinear_decoder_count_as_five() -> None:
    z = torch.randn(256, 16)
    rows = torch.randn(5, 64)
    times = torch.linspace(0, 1, 64)

    def decode(part: Tensor) -> Tensor:
        bent = torch.tanh(part[:, :5] @ rows)
        return bent * torch.exp(-times * part[:, :1].exp())

    assert abs(d.dims_used(d.sobol(decode, z)) - 5) <= 1


def test_copies_of_a_dim_count_once_by_principal_axes() -> None:
    factors, copies = torch.randn(256, 2), torch.randn(2, 24)
    z = factors @ copies
    weights = torch.linalg.pinv(copies) @ torch.randn(2, 30)
    alone = d.sobol(lambda part: part @ weights, z)
    assert float(alone.sum()) < 0.5  # each of them has mates that hold the same
    index = d.principal_sobol(lambda part: part @ weights, z)
    assert d.dims_used(index) == 2
    framed = z[:, :, None].expand(-1, -1, 3)
    decoded = d.principal_sobol(lambda part: torch.einsum("ndf,dk->nkf", part, weights), framed)
    assert decoded[:2].tolist() == pytest.approx(index[:2].tolist(), abs=1e-3)


def test_prune_curve_needs_as_many_dims_as_there_are() -> None:
    z = torch.randn(64, 10) * torch.tensor([3.0] * 4 + [0.05] * 6)
    worth = z.var(0)
    curve = d.prune_curve(lambda part: (part - z).square().mean() + 0.1, z, worth)
    assert curve.kept == list(range(11))
    assert curve.needed() == 4
    assert sorted(curve.order[:4]) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="must lie in 0 to 10"):
        d.prune_curve(lambda part: 0.0, z, worth, [11])


def test_principal_components_are_counted_one_more_than_rave_prints() -> None:
    z = torch.zeros(1000, 6)
    z[:, :3] = torch.randn(1000, 3)
    assert d.pca_fidelity(z)[0.99] == 3
    assert d.active_units(z) == 3


def test_posterior_that_is_the_prior_is_near_it() -> None:
    mean = torch.randn(50, 8, 4)
    near = d.aggregate_mmd(mean * 0.8, torch.full_like(mean, 0.6))
    far = d.aggregate_mmd(mean * 0.1, torch.full_like(mean, 0.1))
    assert abs(near) < 0.01 < far


def test_what_a_dim_goes_along_with_is_found() -> None:
    z = torch.randn(100, 4)
    features = {"bright": z[:, 2].exp(), "none": torch.ones(100)}
    features["bright"][3] = math.nan  # silence
    found = d.feature_correlation(z, features)
    assert float(found["bright"][2]) == pytest.approx(1.0)
    assert float(found["bright"][[0, 1, 3]].abs().max()) < 0.35
    assert not bool(found["none"].any())


def test_yardsticks_stand_in_order() -> None:
    sounds = snares(6, 0.3)
    distance = BandDistance(floor_db=None, linear="l2")
    found = d.yardsticks(distance, sounds, RATE)
    order = ["copy", "other dither", "late", "other item", "silence"]
    values = [found[name] for name in order]
    assert values == sorted(values)
    assert len(set(values)) == len(values)
    assert found["other dither"] < found["envelope noise"] < found["other item"]
    assert 0.5 < found["late"] / found["envelope noise"] < 2  # of one size
    assert set(found) == set(d.MEANINGS) - {"bands"}


def test_envelope_noise_has_the_envelope_and_spectrum_and_nothing_else() -> None:
    sounds = snares(4)
    noise = d.stand_ins(sounds, RATE)["envelope noise"]
    level = [x.unflatten(-1, (-1, 320))[:, :, :12].square().mean(-1) for x in (noise, sounds)]
    assert float((10 * (level[0] / level[1]).log10()).abs().max()) < 1.0
    spectra = [torch.fft.rfft(x).abs().square().unflatten(-1, (-1, 97)) for x in (noise, sounds)]
    apart = 10 * (spectra[0].sum(-1) / spectra[1].sum(-1)).log10()  # in 33 bands
    assert float(apart.abs().mean()) < 2.0
    alike = (noise * sounds).sum(-1) / (noise.square().sum(-1) * sounds.square().sum(-1)).sqrt()
    assert float(alike.abs().mean()) < 0.5


@pytest.mark.parametrize(("rule", "apart"), [("adam", False), ("sgd", True)])
def test_a_clip_limit_that_every_step_hits_is_dead_under_adam(rule: str, apart: bool) -> None:
    def ends(limit: float) -> Tensor:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
        x = torch.randn(64, 6)
        y = 1e4 * x.sin().sum(1, keepdim=True)  # a gradient of some 1e4, at every step
        kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
        optimizer: Any = kinds[rule](model.parameters(), lr=1e-4)
        for _ in range(60):
            optimizer.zero_grad()
            (model(x) - y).square().mean().backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
            assert float(norm) > 300
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    off = float((ends(100.0) - ends(300.0)).abs().max())
    assert (off > 1e-3) if apart else (off < 1e-5), off


def curve(steps: np.ndarray, noise: float = 0.01) -> np.ndarray:
    draw = np.random.default_rng(0)
    fall = 10 * np.exp(-steps / 300) + 5
    return fall * np.exp(noise * draw.standard_normal(len(steps)))


def test_a_jump_is_found_and_a_fall_is_none() -> None:
    steps = np.arange(0, 2000, 20)
    values = curve(steps)
    assert d.jumps(steps.tolist(), values.tolist()) == []
    values[60:] *= 0.8
    (jump,) = d.jumps(steps.tolist(), values.tolist())
    assert abs(jump.step - 1200) <= 20
    assert jump.after / jump.before == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("points", [20, 60, 200])
@pytest.mark.parametrize("noise", [0.0, 0.001, 0.02])
def test_a_fall_that_bends_is_no_jump(points: int, noise: float) -> None:
    draw = np.random.default_rng(0)
    u = np.arange(points) / points
    for bend in (0.02, 0.05, 0.1, 0.3):  # of the run; the first ends before the second point
        for fall in (np.exp(-u / bend), 1 / (1 + u / bend)):
            values = (1 + 4 * fall) * np.exp(noise * draw.standard_normal(points))
            assert d.jumps(list(range(points)), values.tolist()) == []


def test_a_plateau_is_flat_and_a_slow_fall_is_not() -> None:
    steps = np.arange(0, 4000, 40)
    flat = d.trend(steps.tolist(), curve(steps).tolist())
    assert flat is not None
    assert flat.flat
    assert flat.level == pytest.approx(5, rel=0.02)
    falling = d.trend(steps.tolist(), (curve(steps) * np.exp(-steps / 10_000)).tolist())
    assert falling is not None
    assert not falling.flat
    assert d.trend([0, 1], [1.0, 2.0]) is None


def test_files_are_listed_by_loss_folder_and_tag() -> None:
    paths = ["a/1.wav", "a/2.wav", "b/3.wav"]
    loss = torch.tensor([1.0, 3.0, 1.5])
    listed = d.items(
        paths,
        loss,
        tags=[["dry"], ["dry", "snare"], ["snare"]],
        parts={"full/512": loss / 2, "bands": loss / 4},
    )
    assert [item.path for item in listed] == ["a/2.wav", "b/3.wav", "a/1.wav"]
    assert d.by_group(listed) == [("a", 2, 2.0, 3.0), ("b", 1, 1.5, 1.5)]
    assert d.by_group(listed, "tag") == [("snare", 2, 2.25, 3.0), ("dry", 2, 2.0, 3.0)]
    assert d.by_part(listed)["bands"] == pytest.approx(5.5 / 12)
    with pytest.raises(ValueError, match=r"loss must be \(3,\)"):
        d.items(paths, loss[:2])


def test_data_facts_see_copies_rates_and_padding() -> None:
    sounds = list(snares(6, 0.25))
    names = [f"{i}.wav" for i in range(6)]
    louder = 0.5 * sounds[2]
    held = d.Side([louder, sounds[5]], ["copy.wav", "own.wav"])
    found = d.data_facts(d.Side(sounds[:5], names[:5]), held, RATE, samples=8000)
    (pair,) = found["duplicates"]
    assert (pair["validation"], pair["training"]) == ("copy.wav", "2.wav")
    assert found["likely_rates"] == {}
    assert found["padding"] == pytest.approx(0.5, abs=0.06)
    upsampled = [torch.from_numpy(resample(s.numpy(), 2 * s.shape[-1], axis=-1)) for s in sounds]
    found = d.data_facts(d.Side(upsampled, names), d.Side([], []), 2 * RATE, samples=16_000)
    assert found["likely_rates"] == {"16000": 6}


def test_gradient_lengths_and_steps_are_those_of_torch() -> None:
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(4, 3), "b": torch.nn.Linear(3, 1)})
    named = {f"net.{name}": p for name, p in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    before = {name: p.detach().clone() for name, p in named.items()}
    model["b"](model["a"](torch.randn(5, 4))).square().mean().backward()
    optimizer.step()
    lengths = d.gradient_lengths(named)
    assert set(lengths) == {"net.a", "net.b"}
    whole = torch.nn.utils.get_total_norm([p.grad for p in named.values()])
    assert math.hypot(*lengths.values()) == pytest.approx(float(whole), rel=1e-5)
    ratios = d.update_ratios(optimizer, named)
    after = {name: p.detach() for name, p in named.items()}
    moved = sum(float((after[n] - before[n]).square().sum()) for n in named if ".a." in n)
    weights = sum(float(after[n].square().sum()) for n in named if ".a." in n)
    assert ratios["net.a"] == pytest.approx(math.sqrt(moved / weights), rel=1e-3)
