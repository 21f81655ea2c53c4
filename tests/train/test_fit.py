"""Training: exact resume, several optimisers, divergence, trackers, statistics."""

from __future__ import annotations

import json
import math
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dspcore import train
from dspcore.errors import UserError

pytest.importorskip("lightning_fabric", reason="needs dspcore[train]")


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "metrics.jsonl").read_text()
    return [json.loads(entry) for entry in text.splitlines()]


def line(model: Any, batch: Tensor, step: int) -> Tensor:
    return (model(batch) - 3 * batch).square().mean()


def batches(step: int) -> Tensor:
    return torch.randn(16, 1, generator=torch.Generator().manual_seed(step))


def config(folder: Path | None = None, **changes: Any) -> train.FitConfig:
    common = {"steps": 60, "trackers": [], "accelerator": "cpu", "progress": False}
    lr = changes.pop("lr", 0.1)
    rule = train.OptimizerConfig(lr=lr, **changes.pop("optimizer", {}))
    return train.FitConfig(
        folder=None if folder is None else str(folder), optimizer=rule, **common | changes
    )


def test_fit_finds_a_line_and_its_best_weights_can_be_loaded(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    done = train.fit(
        model,
        line,
        batches,
        config(tmp_path / "run", steps=150, validate_every=50),
        validate=lambda model, step: line(model, batches(-1 % 2**31), step),
    )
    assert (done.step, done.stopped) == (150, "steps")
    assert done.best < 1e-2
    again = nn.Linear(1, 1)
    assert train.load_weights(again, tmp_path / "run")["step"] == done.best_step
    assert again.weight.item() == pytest.approx(3.0, abs=0.1)
    with pytest.raises(UserError, match=r"weight \(1, 1\), wanted \(2, 1\)"):
        train.load_weights(nn.Linear(1, 2), tmp_path / "run")
    with pytest.raises(UserError, match="has a run already; resume it"):
        train.fit(model, line, batches, config(tmp_path / "run"))


def test_a_nan_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)

    def loss(model: nn.Module, batch: Tensor, step: int) -> Tensor:
        return line(model, batch, step) * (math.nan if step == 25 else 1.0)

    with pytest.raises(train.DivergedError, match=r"step 25 .* loss is nan .* after 20 steps"):
        train.fit(model, loss, batches, config(tmp_path / "run", save_every=10))
    kept = train.Checkpoint.load(tmp_path / "run" / "latest.safetensors")
    assert kept.state["step"] == 20
    assert all(t.isfinite().all() for t in kept.under("model/model").values())

    def gradient(model: nn.Module, batch: Tensor, step: int) -> Tensor:
        return (model.weight * 0).sqrt().sum()

    before = model.weight.item()
    with pytest.raises(train.DivergedError, match=r"gradient is nan.*no checkpoint"):
        train.fit(model, gradient, batches, config())
    assert model.weight.item() == before


def test_batches_that_make_one_step_are_one_large_batch(tmp_path: Path) -> None:
    def halves(number: int) -> Tensor:
        whole = batches(number // 2)
        return whole[:8] if number % 2 == 0 else whole[8:]

    ends = []
    for data, count in ((batches, 1), (halves, 2)):
        model = nn.Linear(1, 1)
        nn.init.ones_(model.weight)
        nn.init.zeros_(model.bias)
        folder = tmp_path / str(count)
        train.fit(model, line, data, config(folder, steps=5, accumulate=count, log_every=1))
        ends.append((model.weight.item(), model.bias.item(), [e["loss"] for e in lines(folder)]))
    assert ends[0][0] == pytest.approx(ends[1][0], rel=1e-5)
    assert ends[0][1] == pytest.approx(ends[1][1], rel=1e-4, abs=1e-6)
    assert ends[0][2] == pytest.approx(ends[1][2], rel=1e-5)


def test_a_batch_that_a_phase_leaves_out_does_not_count_in_the_mean(tmp_path: Path) -> None:
    seen: list[float] = []

    def some(model: Any, batch: Tensor, step: int) -> Tensor | None:
        return None if batch[0, 0] > 2.5 else model.weight.sum() * batch.mean()

    model = nn.Linear(1, 1)
    train.fit(
        model,
        some,
        lambda number: torch.full((2, 1), float(number + 1)),  # 1, 2, and 3 that is left out
        config(tmp_path / "run", steps=1, accumulate=3, optimizer={"name": "sgd"}),
        after_move=lambda moved: seen.append(moved.norm),
    )
    assert seen == [pytest.approx(1.5)]


def test_phases_move_their_own_parameters_in_their_turns() -> None:
    modules = {"generator": nn.Linear(1, 1), "critic": nn.Linear(1, 1)}
    seen: list[tuple[str, int, bool]] = []

    def loss(name: str, other: str) -> Any:
        def of(models: Any, batch: Tensor, step: int) -> dict[str, Tensor]:
            seen.append((name, step, models[other].weight.requires_grad))
            return {
                "loss": models["critic"](models["generator"](batch)).square().mean(),
                "level": models[name].weight.abs().sum(),
            }

        return of

    phases = [
        train.Phase(loss("critic", "generator"), "critic", ["critic.*"], every=2, start=2),
        train.Phase(loss("generator", "critic"), "generator", ["generator.weight"]),
    ]
    before = {k: v.clone() for k, v in modules["generator"].state_dict().items()}
    done = train.fit(modules, phases, batches, config(steps=7))
    assert [step for name, step, _ in seen if name == "critic"] == [2, 4, 6]
    assert not any(asks for *_, asks in seen)
    assert torch.equal(modules["generator"].bias, before["bias"])
    assert not torch.equal(modules["generator"].weight, before["weight"])
    assert {"critic/loss", "generator/level", "critic/lr"} <= done.metrics.keys()
    assert all(p.requires_grad for m in modules.values() for p in m.parameters())


def test_rates_by_layer_and_type_are_applied_exactly() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    start = {name: p.item() for name, p in model.named_parameters()}
    rule = {
        "name": "sgd",
        "rates": {"0.weight": 0.5, "*.bias": 0.0},
        "schedule": train.Schedule([(0, 1.0), (2, 3.0)]),
    }

    def loss(model: nn.Module, batch: Tensor, step: int) -> Tensor:
        return torch.stack([p.sum() for p in model.parameters()]).sum()  # every gradient is 1

    train.fit(model, loss, batches, config(steps=3, lr=0.25, optimizer=rule))
    moved = {name: start[name] - p.item() for name, p in model.named_parameters()}
    wanted = {"0.weight": 0.125 * 6, "1.weight": 0.25 * 6, "0.bias": 0.0, "1.bias": 0.0}
    assert moved == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(UserError, match=r"no parameter fits the pattern '2\.weight'"):
        train.fit(model, loss, batches, config(optimizer={"rates": {"2.weight": 1.0}}))


def test_statistics_equal_a_hand_computation(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 0.0]]))
        model.bias.fill_(-2.0)

    def loss(model: nn.Module, batch: Tensor, step: int) -> Tensor:
        return model(torch.tensor([1.0, 7.0])).sum()

    made = config(tmp_path / "run", steps=3, optimizer={"name": "sgd"}, statistics_every=1, lr=0.0)
    train.fit(model, loss, batches, made)
    rows = train.read_statistics(tmp_path / "run")
    assert [row["step"] for row in rows] == [0, 0, 1, 1, 2, 2]
    weight, bias = rows[:2]
    assert (weight["layer"], weight["type"], bias["type"]) == ("model", "weight", "bias")
    assert weight["gradient_rms"] == pytest.approx(5.0)  # of 1 and 7
    assert (weight["gradient_max"], weight["value_max"], weight["value_zeros"]) == (7.0, 3.0, 0.5)
    assert (bias["value_rms"], bias["gradient_zeros"]) == (2.0, 0.0)
    train.plot_statistics(tmp_path / "run", tmp_path / "statistics.png")
    assert (tmp_path / "statistics.png").stat().st_size > 5000


def test_a_tracker_that_fails_never_stops_a_run(tmp_path: Path) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise OSError("no network")

    with pytest.warns(RuntimeWarning, match="tracker Broken failed .* no network") as said:
        done = train.fit(
            nn.Linear(1, 1),
            line,
            batches,
            config(tmp_path / "run", log_every=20),
            trackers=[Broken()],
        )
    assert len(said) == 1
    assert done.step == 60
    assert [entry["step"] for entry in lines(tmp_path / "run")] == [19, 39, 59]


def test_patience_ends_a_run_and_clipping_is_counted(tmp_path: Path) -> None:
    values = iter([3.0, 2.0, 2.5, 2.5, 1.0])
    done = train.fit(
        nn.Linear(1, 1),
        line,
        batches,
        config(tmp_path / "run", validate_every=10, patience=2, optimizer={"clip_norm": 1e-6}),
        validate=lambda model, step: next(values),
    )
    assert (done.step, done.stopped, done.best, done.best_step) == (40, "patience", 2.0, 20)
    assert done.metrics["clipped"] == 1.0
    steps = [
        train.Checkpoint.load(tmp_path / "run" / f"{n}.safetensors").state["step"]
        for n in ("best", "latest")
    ]
    assert steps == [20, 40]


def test_the_average_follows_its_formula_from_its_start() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = train.AverageConfig(decay=0.75, start=2, ramp=False)
    weights, seen = [], []
    train.fit(
        model,
        line,
        batches,
        config(steps=8, average=average, validate_every=8),
        validate=lambda model, step: seen.append(model.weight.item()) or 0.0,
        after_step=lambda model, step: weights.append(model.weight.item()),
    )
    wanted = 0.0
    for step, weight in enumerate(weights):
        wanted = weight if step <= 2 else 0.75 * wanted + 0.25 * weight
    assert seen[-1] == pytest.approx(wanted, abs=1e-6)
    assert model.weight.item() == pytest.approx(weights[-1])


@dataclass
class Mine:
    """A config of a user.

    Attributes:
        width: Of the model.
        fit: The run.
    """

    width: int = 4
    fit: train.FitConfig = field(default_factory=train.FitConfig)


def test_a_config_comes_back_from_its_file_and_the_command_line_wins(tmp_path: Path) -> None:
    rule = train.OptimizerConfig(
        lr=0.5,
        rates={"*.phase": 0.1},
        options={"betas": [0.8, 0.99]},
        schedule=train.Schedule([(0, 0.1), (100, 2.0)], "cosine", 10),
    )
    given = Mine(8, train.FitConfig(steps=9, optimizer=rule, folder="runs/a"))
    path = tmp_path / "config.toml"
    path.write_text(train.config_text(given))
    assert train.read_config(Mine, ["--config", str(path)]) == given
    changed = train.read_config(Mine, ["--config", str(path), "--fit.optimizer.lr", "0.25"])
    assert (changed.fit.optimizer.lr, changed.fit.steps) == (0.25, 9)
    with pytest.raises(UserError, match="width"):
        train.read_config(Mine, ["--width", "wide"])
    with pytest.raises(UserError, match="log_every must be 1 or more, got 0"):
        train.FitConfig(log_every=0)
    with pytest.raises(UserError, match="did you mean 'adam"):
        train.fit(nn.Linear(1, 1), line, batches, config(optimizer={"name": "adan"}))


def test_schedules_rise_fall_and_warm_up() -> None:
    schedule = train.Schedule([(10, 1.0), (20, 4.0), (40, 0.5)], warmup=4)
    assert [schedule(s) for s in (0, 3, 10, 15, 20, 30, 99)] == [0.25, 1, 1, 2.5, 4, 2.25, 0.5]
    assert train.Schedule([(0, 1.0), (10, 0.01)], "exponential")(5) == pytest.approx(0.1)
    assert train.Schedule([(0, 1.0), (10, 3.0)], "hold")(9) == 1.0
    assert train.Schedule([(0, 0.0), (10, 2.0)], "cosine")(5) == pytest.approx(1.0)
    with pytest.raises(UserError, match="must rise"):
        train.Schedule([(5, 1.0), (5, 2.0)])


def test_shuffled_batches_cover_every_epoch_and_depend_on_the_number_alone() -> None:
    data = train.Shuffled(range(10), 3, seed=4)  # type: ignore[arg-type]
    epochs = [[data(3 * e + i).tolist() for i in range(3)] for e in range(2)]
    assert all(len({x for batch in epoch for x in batch}) == 9 for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert train.Shuffled(range(10), 3, seed=4)(4).tolist() == epochs[1][1]  # type: ignore[arg-type]
    with pytest.raises(UserError, match="10 items make no batch of 11"):
        train.Shuffled(range(10), 11)  # type: ignore[arg-type]


def test_an_interrupt_saves_the_step_and_is_raised_then(tmp_path: Path) -> None:
    def interrupted(model: Any, step: int) -> None:
        if step == 12:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train.fit(nn.Linear(1, 1), line, batches, config(tmp_path / "run"), after_step=interrupted)
    assert train.Checkpoint.load(tmp_path / "run" / "latest.safetensors").state["step"] == 13
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(
        RuntimeError, match=r"needs lightning_fabric .* pip install 'dspcore\[train\]'"
    ):
        train.fit(nn.Linear(1, 1), line, batches, config())


def test_a_file_from_elsewhere_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="is not a safetensors file"):
        train.Checkpoint.load(tmp_path / "a.safetensors")


def test_tensorboard_files_are_written(tmp_path: Path) -> None:
    def hear(model: Any, step: int, trackers: train.Trackers) -> None:
        trackers.audio(step, "sound", torch.zeros(1, 100), 8000)

    train.fit(
        nn.Linear(1, 1),
        line,
        batches,
        config(tmp_path / "run", trackers=["tensorboard"]),
        on_log=hear,
    )
    written = list((tmp_path / "run" / "tensorboard").iterdir())
    assert written
    assert written[0].stat().st_size > 500
