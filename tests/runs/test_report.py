"""Reports and advice from the files of runs alone: what is planted in them is what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from matplotlib.figure import Figure

from dspcore import train
from dspcore.cli import main
from dspcore.errors import UserError
from dspcore.latent.advice import advise
from dspcore.runs import curves, report

STICKS = {
    "copy": 0.0, "other dither": 1.0, "hiss": 5.0, "late": 8.0, "envelope noise": 10.0,
    "mean spectrum": 20.0, "other item": 21.0, "dither": 30.0, "silence": 31.0,
}  # fmt: skip


def written(
    folder: Path,
    *,
    steps: int = 1000,
    loss: Any = None,
    clipped: float = 0.1,
    beta: float = 1e-3,
    bits: tuple[float, ...] = (4.0, 3.0, 2.0, 0.2),
    limit: float = 0.0,
    sticks: dict[str, float] | None = None,
    data: dict[str, Any] | None = None,
    second: int | None = None,
    rule: str = "adam",
) -> Path:
    """A run's folder as training leaves it, without training."""
    folder.mkdir(parents=True)
    config = (
        f"[free_bits]\nlimit = {limit}\n[data]\nbatch_size = 4\n[fit]\nsteps = {steps}\n"
        f'[fit.optimizer]\nname = "{rule}"\nlr = 0.001\nclip_norm = 100.0\n'
    )
    (folder / "config.toml").write_text(config)
    (folder / "run.json").write_text(json.dumps({"began": "2026-01-01"}))
    draw = np.random.default_rng(0)
    curve = loss or (lambda step: 6 + 12 * np.exp(-step / 500) - step / 1000)
    rows: list[dict[str, Any]] = []
    for step in range(9, steps, 10):
        name = "generator" if second is not None and step >= second else "represent"
        noise = float(np.exp(0.005 * draw.standard_normal()))
        value = float(curve(step)) * noise
        rows.append({"step": step, f"{name}/loss": value, f"{name}/gradient_norm": 400.0,
                     f"{name}/clipped": clipped, f"{name}/lr": 1e-3, f"{name}/beta": beta,
                     f"{name}/kl_bits": sum(bits)})  # fmt: skip
        if step % 20 == 19:
            rows.append({"step": step, "validation/loss": value * 1.1})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    arrays = []
    for step in (steps // 2, steps - 1):
        arrays += [
            {"step": step, "name": "latent/bits", "values": list(bits)},
            {"step": step, "name": "latent/sobol", "values": [0.5, 0.3, 0.2, 0.001]},
            {"step": step, "name": "latent/prune", "values": [[0, 2, 4], [20.0, 9.0, 6.0]]},
            {"step": step, "name": "latent/correlation", "values": {"depth": [0.1, -0.9, 0, 0]}},
            {"step": step, "name": "latent/summary", "values": {"used": 3, "spread": 0.9}},
        ]
    (folder / "arrays.jsonl").write_text("".join(json.dumps(a) + "\n" for a in arrays))
    values = STICKS if sticks is None else sticks
    stick = {"metric": "validation/loss", "values": values}
    (folder / "yardsticks.json").write_text(json.dumps(stick))
    plain = {"clips": 50, "validation_clips": 5, "sample_rate": 44100, "padding": 0.3,
             "likely_rates": {}, "duplicates": []}  # fmt: skip
    (folder / "data.json").write_text(json.dumps(plain | (data or {})))
    items = [{"path": f"kit/{k}.wav", "loss": 9.0 - k, "tags": ["kit"], "parts": {"full/512": 1.0}}
             for k in range(3)]  # fmt: skip
    (folder / "items.json").write_text(json.dumps(items))
    note = {"means": torch.randn(12, 4).tolist(), "tags": ["a", "b"] * 6, "seen": [True] * 9 +
            [False] * 3, "features": {"depth": [1.0] * 6 + [2.0] * 5 + [None]}}  # fmt: skip
    (folder / "latent.json").write_text(json.dumps(note))
    tree = {"name": "model", "type": "BandVAE", "facts": "", "parameters": 12, "trained": 12}
    (folder / "model.json").write_text(json.dumps([tree | {"children": []}]))
    return folder


def rules(folder: Path, kind: str = "fault") -> dict[str, str]:
    return {a.rule: a.text for a in advise(train.read_run(folder)) if a.kind == kind}


def test_a_healthy_run_has_no_fault(tmp_path: Path) -> None:
    assert rules(written(tmp_path / "well")) == {}


def test_each_planted_fault_is_named_with_its_numbers(tmp_path: Path) -> None:
    found = rules(written(tmp_path / "clip", clipped=1.0))
    assert list(found) == ["clip"]
    assert "100 % of the last 500 steps hit the limit of 100 (median norm 400)" in found["clip"]
    assert "no effect under adam" in found["clip"]
    assert (
        "how far a step goes" in rules(written(tmp_path / "sgd", clipped=1.0, rule="sgd"))["clip"]
    )

    found = rules(written(tmp_path / "beta", beta=5.0, bits=(0.01, 0.0, 0.0, 0.0)))
    assert "at 5 a bit a frame costs 3.47 of the 20 there is to gain" in found["beta"]
    assert rules(written(tmp_path / "early", bits=(0.01, 0.0, 0.0, 0.0))) == {}  # not the price

    found = rules(written(tmp_path / "silence", sticks=STICKS | {"hiss": 33.0}))
    assert "a perfect copy with hiss at -60 dBFS costs 33, dither alone 30" in found["silence"]

    found = rules(written(tmp_path / "rate", data={"likely_rates": {"16000": 40}}))
    assert "40 of 50 clips, said to be at 44100 Hz, hold nothing above 8000 Hz" in found["rate"]

    pair = {"validation": "a.wav", "training": "b.wav", "likeness": 0.9999}
    found = rules(written(tmp_path / "copies", data={"duplicates": [pair]}))
    assert "1 of 5 validation clips are in the training set too" in found["duplicates"]


def test_notes_name_parked_dims_yardsticks_and_phases(tmp_path: Path) -> None:
    found = rules(written(tmp_path / "parked", bits=(4.0, 0.48, 0.48, 0.47), limit=0.5), "note")
    assert "3 of 4 dims within 10 % of the free-bits limit of 0.5 bit" in found["parked"]
    assert "effective size 3 (Sobol)" in found["parked"]

    found = rules(written(tmp_path / "stands", loss=lambda step: 9.1))
    assert "stands at the yardstick 'envelope noise' (10)" in found["yardstick"]
    found = rules(written(tmp_path / "flat", loss=lambda step: 4.0), "note")
    assert "validation/loss is flat at 4.39" in found["plateau"]

    jumps = written(tmp_path / "two", loss=lambda s: 13 if s < 500 else 15, second=500)
    found = rules(jumps, "note")
    assert "phase 2 raised validation/loss from 14.4 to 16.5: usual" in found["phase 2"]
    assert "there phase generator began" in found["jump"]


def test_the_page_holds_all_and_the_numbers_are_in_json(tmp_path: Path) -> None:
    one, two = (written(tmp_path / n, beta=b) for n, b in (("one", 1e-3), ("two", 2e-3)))
    (two / "config.toml").write_text((two / "config.toml").read_text().replace("0.001", "0.002"))
    result = CliRunner().invoke(
        main, ["report", str(one), str(two), "-o", str(tmp_path / "out"), "--align", "data"]
    )
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "report.html").read_text()
    headings = ["Validation", "Set differently", "Yardsticks", "Bits by dimension", "The model"]
    headings += ["What the decoder uses", "Map of the latent", "Gradients", "Loss by tag"]
    for heading in [*headings, "Worst files"]:
        assert f"<h2>{heading}</h2>" in page, heading
    assert page.count("data:image/png;base64,") == 1 + 2 * 8
    assert "http" not in page
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["differences"] == {"fit.optimizer.lr": [0.001, 0.002]}
    assert found["runs"]["one"]["worst"][0] == {"path": "kit/0.wav", "loss": 9.0}
    assert found["runs"]["one"]["arrays"]["latent/prune"]["values"][0] == [0, 2, 4]
    assert "envelope noise" in found["runs"]["one"]["beaten"]
    text = (tmp_path / "out" / "report.md").read_text()
    pictures = {line.split("(")[1].rstrip(")") for line in text.splitlines() if line[:2] == "!["}
    assert len(pictures) == 17
    assert all((tmp_path / "out" / name).is_file() for name in pictures)


def test_labels_of_yardsticks_do_not_overlap() -> None:
    assert curves.spread([10, 20, 40], 8) == [10, 20, 40]
    assert curves.spread([10, 12, 13, 40], 8) == pytest.approx([11 / 3, 35 / 3, 59 / 3, 40])
    assert curves.spread([10, 10, 19], 8) == pytest.approx([5, 13, 21])  # pushed by the stack
    assert curves.spread([], 8) == []


def test_there_is_a_panel_for_each_number_and_no_empty_one(tmp_path: Path) -> None:
    run = train.read_run(written(tmp_path / "run"))
    for count in (2, 3, 4):
        figure = Figure()
        curves.draw_parts(figure, run, {f"number {k}": ["represent/beta"] for k in range(count)})
        assert [bool(axes.lines) for axes in figure.axes if axes.get_visible()] == [True] * count


def test_any_run_of_the_loop_has_a_report(tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric", reason="needs dspcore[train]")
    model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Linear(4, 1))
    config = train.FitConfig(
        folder=str(tmp_path / "plain"), steps=30, trackers=[], progress=False, accelerator="cpu",
        statistics_every=10, log_every=5,
    )  # fmt: skip

    def batches(step: int) -> torch.Tensor:
        return torch.randn(8, 1, generator=torch.Generator().manual_seed(step))

    def loss(model: Any, batch: torch.Tensor, step: int) -> torch.Tensor:
        return (model(batch) - batch).square().mean()

    def sounds(model: Any, step: int, trackers: train.Trackers) -> None:
        for name in ("input", "target", "output"):
            trackers.audio(step, f"take/{name}", torch.rand(1, 400), 8_000)

    train.fit(model, loss, batches, config, on_log=sounds)
    found = report([tmp_path / "plain"])
    order = [found.html.index(f"<b>{name}</b>") for name in ("input", "target", "output")]
    assert order == sorted(order)
    assert "Gradients by module" in found.html
    assert found.results["runs"]["plain"]["metric"] == "loss"
    assert found.results["runs"]["plain"]["parameters"] == 13


def test_heads_are_shown_beside_nothing_and_the_truth(tmp_path: Path) -> None:
    def row(name: str, distance: float, wins: float | None) -> dict[str, Any]:
        return {
            "controller": name, "raw": {"MRSTFT": distance, "LUFS": 1.0},
            "level_matched": {"MRSTFT": distance / 2}, "share_left": [distance, distance / 4],
            "wins": wins, "parameter_error": None, "cpu_seconds": 0.1,
        }  # fmt: skip

    yardsticks = [row("oracle", 0.1, 1.0), row("nothing", 4.0, 0.0), row("constant", 2.0, 0.5)]
    for name in ("regress", "spsa"):
        path = tmp_path / "heads" / "mda-overdrive" / f"{name}-ab12.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        scores = {"rows": [*yardsticks, row(name, 1.0, 0.96)]}
        train.Checkpoint({"w": torch.ones(1)}, {"head": 1, "scores": scores}).save(path)
    (tmp_path / "heads" / "encoders").mkdir()
    train.Checkpoint({"w": torch.ones(1)}).save(tmp_path / "heads" / "encoders" / "e.safetensors")
    run = written(tmp_path / "one")
    result = CliRunner().invoke(
        main, ["report", str(tmp_path / "heads"), str(run), "-o", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = found["style"]["heads"]["mda-overdrive"]
    assert [r["controller"] for r in rows] == ["nothing", "constant", "oracle", "regress", "spsa"]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| mda-overdrive | regress | 1 | 0.5 | 25 % | 96 % |  |" in text
    assert "<h2>Style transfer</h2>" in (tmp_path / "out" / "report.html").read_text()


def test_wrong_folders_and_methods_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing: no such folder; wanted the folder of a run"):
        report([tmp_path / "nothing"])
    run = written(tmp_path / "one")
    with pytest.raises(UserError, match="made by pca or umap, got 'tsne'"):
        report([run], latent_map="tsne")
    (run / "config.toml").write_text("")
    with pytest.raises(UserError, match="its config has no batch_size"):
        report([run, run], align="data")


@pytest.mark.slow
def test_a_report_asks_for_no_network_no_tracker_and_no_model(tmp_path: Path) -> None:
    written(tmp_path / "one")
    code = (
        "import sys, socket\n"
        "def refuse(*a, **k): raise RuntimeError('network')\n"
        "socket.socket.connect = refuse\n"
        "from dspcore.runs import report\n"
        f"report([{str(tmp_path / 'one')!r}]).save({str(tmp_path / 'out')!r})\n"
        "heavy = sorted({'wandb', 'lightning', 'lightning_fabric', 'umap', 'librosa', 'torchaudio',"
        " 'tensorboard'} & set(sys.modules))\n"
        "sys.exit(f'a report imports {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
