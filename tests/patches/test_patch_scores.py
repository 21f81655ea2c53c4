"""Parameters against what a constant would score."""

from __future__ import annotations

import itertools

import pytest
import torch

from dspcore.patches import Layout, scores
from dspcore.patches.scores import assignment_error, chamfer


def test_scores_of_a_known_table() -> None:
    layout = Layout((0, 2))
    training = torch.tensor([[0.4, 0.25], [0.6, 0.25], [0.5, 0.75]])
    truth = torch.tensor([[0.2, 0.25], [0.8, 0.75], [0.5, 0.25], [0.9, 0.25]])
    mean = torch.tensor([[0.3, 0.25], [0.7, 0.25], [0.5, 0.25], [0.8, 0.25]])
    found = scores(mean, mean, truth, training, layout)
    first, second = found.each
    assert first.mae == pytest.approx(0.075)
    # Errors .01 + .01 + 0 + .01 against .09 + .09 + 0 + .16 around the training mean of 0.5.
    assert first.r2 == pytest.approx(1 - 0.03 / 0.34, rel=1e-5)
    assert first.r2_low <= first.r2 <= first.r2_high
    assert (second.accuracy, second.majority, second.skill) == (0.75, 0.75, pytest.approx(0.0))
    assert second.spread == 0.0
    assert found.known == 1


def test_the_training_mean_scores_zero_and_shuffled_predictions_less() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, training = (torch.rand(500, 3, generator=generator) for _ in range(2))
    layout = Layout((0, 0, 0))
    constant = training.mean(0).expand(500, 3)
    assert scores(constant, constant, truth, training, layout).r2 == pytest.approx(0, abs=1e-6)
    shuffled = truth[torch.randperm(500, generator=generator)]
    assert scores(shuffled, shuffled, truth, training, layout).r2 < -0.5


def test_conditional_r2_is_of_the_open_gate_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(400, 1, generator=generator)
    active = torch.arange(400)[:, None] % 2 == 0
    guess = torch.where(active, truth, torch.full_like(truth, 0.5))
    found = scores(guess, guess, truth, truth, Layout((0,)), active=active).each[0]
    assert found.conditional_r2 == pytest.approx(1.0)
    assert 0.3 < found.r2 < 0.7


def test_assignment_is_the_least_error_over_all_permutations() -> None:
    generator = torch.Generator().manual_seed(0)
    group = ((0, 1), (2, 3), (4, 5))
    layout = Layout((0,) * 7, (group,))
    said, truth = (torch.rand(20, 7, generator=generator) for _ in range(2))
    least = torch.full((20,), torch.inf)
    for order in itertools.permutations(range(3)):
        columns = [c for member in order for c in group[member]] + [6]
        least = least.minimum((said[:, columns] - truth).abs().mean(1))
    torch.testing.assert_close(assignment_error(said, truth, layout), least)
    exchanged = truth[:, [2, 3, 4, 5, 0, 1, 6]]
    assert float(assignment_error(exchanged, truth, layout).max()) == 0.0
    assert float(chamfer(exchanged, truth, group).max()) == 0.0
