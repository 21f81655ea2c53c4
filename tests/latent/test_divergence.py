"""What a latent costs, and how its weight goes: numbers against others found another way."""

from __future__ import annotations

import math

import pytest
import torch

from dspcore.errors import UserError
from dspcore.latent import Beta, BetaConfig, fraction_under, free_bits, kl_bits, kl_nats, mmd
from dspcore.latent.divergence import LN2


def test_kl_in_bits_is_what_a_monte_carlo_estimate_says() -> None:
    mean, std = torch.tensor([0.7, -1.5]).double(), torch.tensor([0.3, 1.4]).double()
    drawn = mean + std * torch.randn(400_000, 2, dtype=torch.float64)
    normal = torch.distributions.Normal
    ratio = normal(mean, std).log_prob(drawn) - normal(0.0, 1.0).log_prob(drawn)
    torch.testing.assert_close(kl_bits(mean, std), ratio.mean(0) / LN2, rtol=0.01, atol=0)


def test_raves_formula_is_2_ln_2_times_ours() -> None:
    mean, std = torch.randn(5), torch.rand(5) + 0.1
    raves = mean.square() + std.square() - (std.square()).log() - 1
    torch.testing.assert_close(raves, 2 * LN2 * kl_bits(mean, std))
    torch.testing.assert_close(raves, 2 * kl_nats(mean, std))


@pytest.mark.parametrize(("form", "pushed"), [("batch", False), ("sample", False)])
def test_a_dimension_below_its_free_bits_has_no_gradient_at_all(form: str, pushed: bool) -> None:
    mean = torch.full((4, 2, 3), 0.1)
    mean[:, 1] = 2.0  # 2.9 bits
    mean.requires_grad_()
    free_bits(kl_nats(mean, torch.ones_like(mean)), 0.5, form).backward()  # type: ignore[arg-type]
    assert mean.grad is not None
    assert float(mean.grad[:, 0].abs().max()) == 0
    assert float(mean.grad[:, 1].abs().min()) > 0


def test_free_bits_differ_by_form_where_only_some_frames_are_above() -> None:
    kl = torch.tensor([[[0.0, 4 * LN2]]])  # a mean of 2 bits
    assert float(free_bits(kl, 1.0, "batch")) == pytest.approx(2 * LN2)
    assert float(free_bits(kl, 1.0, "sample")) == pytest.approx((1 + 4) / 2 * LN2)
    mask = torch.tensor([[True, False]])
    assert float(free_bits(kl, 1.0, "batch", mask)) == pytest.approx(LN2)


def test_forty_of_128_dimensions_are_31_percent() -> None:
    kl = torch.rand(128) + 0.5  # above half a bit, 0.3466 nats
    kl[torch.randperm(128)[:40]] = 0.3
    counted = sum(1 for value in kl.tolist() if value / math.log(2) < 0.5)
    assert counted == 40
    assert fraction_under(kl, 0.5) == pytest.approx(0.3125)


def test_mmd_of_fifty_vectors_of_one_distribution_is_below_a_hundredth() -> None:
    draw = torch.Generator().manual_seed(0)
    found = [float(mmd(*torch.randn(2, 50, 64, generator=draw).unbind())) for _ in range(8)]
    assert max(abs(value) for value in found) < 0.01, found
    assert min(found) < 0 < max(found)  # unbiased, unlike a Frechet distance of as few


def test_mmd_is_near_zero_for_one_distribution_and_not_for_two() -> None:
    x, y = torch.randn(2, 200, 8).unbind()
    assert abs(float(mmd(x, y))) < 0.01
    assert float(mmd(x, y + 1)) > 0.05
    with pytest.raises(ValueError, match="above 1"):
        mmd(x, y[:1])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("const", (0.5, 0.5, 0.5)),
        ("linear", (0.1, 0.3, 0.5)),
        ("log", (0.1, math.sqrt(0.05), 0.5)),
        ("sigmoid", (0.1, 0.3, 0.5)),
        ("cosine-cycle", (0.1, 0.5, 0.1)),
    ],
)
def test_schedules_have_their_values_at_the_start_the_middle_and_the_end(
    kind: str, values: tuple[float, float, float]
) -> None:
    beta = Beta(BetaConfig(kind, low=0.1, high=0.5, begin=10, steps=100))
    found = tuple(beta(step) for step in (10, 60, 110))
    assert found == pytest.approx(values, abs=1e-6)
    again = Beta(BetaConfig(kind, low=0.1, high=0.5, begin=10, steps=100))
    again.load_state_dict(beta.state_dict())
    assert again(60) == found[1]


def test_a_cycle_starts_low_each_time() -> None:
    beta = Beta(BetaConfig("cosine-cycle", low=0.0, high=1.0, steps=40, rising=0.5))
    assert [round(beta(step), 6) for step in (0, 10, 20, 39, 40, 50)] == [0, 0.5, 1, 1, 0, 0.5]


def test_a_controller_brings_the_divergence_to_its_target_and_resumes() -> None:
    config = BetaConfig("target-kl", low=1e-4, high=10.0, target_bits=20.0, speed=0.1)
    beta = Beta(config)
    for step in range(200):
        if step == 100:
            again = Beta(config)
            again.load_state_dict(beta.state_dict())
            beta = again
        beta.observe(2.0 / beta(step))  # the heavier the weight, the fewer bits
    assert 2.0 / beta(200) == pytest.approx(20.0, rel=0.02)


def test_wrong_schedules_say_what_is_wrong() -> None:
    with pytest.raises(UserError, match=r"no schedule 'linea'; did you mean 'linear'"):
        BetaConfig("linea")
    with pytest.raises(UserError, match="needs a low above 0"):
        BetaConfig("log", low=0.0)
