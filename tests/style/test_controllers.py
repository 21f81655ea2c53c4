"""Controllers on effects of known behaviour: yardsticks, learning, heads on the disk, bad input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import dspcore
from dspcore import style
from dspcore.cli import main
from dspcore.errors import UserError
from dspcore.style import Budget, Clips, PairSource, load_head, make_controller, make_encoder
from dspcore.style.clips import resampled
from dspcore.style.evaluation import advice
from dspcore.style.pretraining import Pretraining, pretrain
from dspcore.style.rendering import AnyEffect, effect_named
from dspcore.train import Checkpoint

RATE = 16_000
pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture(scope="module")
def clips() -> Clips:
    """Bursts of coloured noise and tones."""
    generator = torch.Generator().manual_seed(1)
    t = torch.arange(2 * RATE) / RATE
    sounds = []
    for i in range(24):
        noise = torch.randn(len(t), generator=generator)
        tone = torch.sin(2 * torch.pi * (120 + 60 * i) * t) + torch.sin(2 * torch.pi * 2000 * t)
        swell = 0.05 + (torch.sin(2 * torch.pi * (1 + i % 5) * t) > 0).float()
        sounds.append((0.3 * noise + tone) * swell)
    audio = torch.stack(sounds)[:, None]
    return Clips(0.25 * audio / audio.abs().amax(2, keepdim=True), RATE)


@pytest.fixture(scope="module")
def effect() -> AnyEffect:
    return effect_named("tilt_eq+ladder_filter", RATE)


@pytest.fixture(scope="module")
def sources(clips: Clips, effect: AnyEffect) -> list[PairSource]:
    parts = clips.split(14, 4, 6)
    return [
        PairSource(effect, part, seed=i, count=count)
        for i, (part, count) in enumerate(zip(parts, (48, 8, 12), strict=True))
    ]


def prepared(
    name: str, effect: AnyEffect, sources: list[PairSource], **options: object
) -> style.Controller:
    ears = make_encoder("statistics", RATE).freeze()
    budget = Budget(steps=120, renders=48)
    return make_controller(name, **options).prepare(
        effect, sources[0], sources[1], encoder=ears, budget=budget
    )


def test_pairs_are_the_same_whenever_they_are_asked(clips: Clips, effect: AnyEffect) -> None:
    first = PairSource(effect, clips, seed=3)
    again = PairSource(effect, clips, seed=3)
    late = again.take([5, 2])
    assert torch.equal(first.all().target[torch.tensor([5, 2])], late.target)
    assert first.cache.made == 2 * len(clips)
    first.all()
    assert first.cache.made == 2 * len(clips)  # nothing was rendered twice
    assert not torch.equal(PairSource(effect, clips, seed=4).take([5]).p, late.p[:1])


def test_the_yardsticks_stand_where_they_should(
    effect: AnyEffect, sources: list[PairSource]
) -> None:
    found = style.evaluate(
        [prepared(name, effect, sources) for name in style.YARDSTICKS], sources[2].all()
    )
    nothing, oracle = found.row("nothing"), found.row("oracle")
    assert nothing.share == (1.0, 1.0)
    assert nothing.wins == 0.0
    assert oracle.matched["MRSTFT"] < 0.1 * nothing.matched["MRSTFT"]
    assert oracle.parameter_error == 0.0
    assert found.row("constant").share[1] < 1.0


@pytest.mark.parametrize(
    ("name", "most", "options"),
    [
        ("regress", 0.6, {}),
        ("nearest", 0.7, {}),
        ("spsa", 0.9, {"steps": 40}),
        ("regress+spsa", 0.6, {"steps": 10}),
        ("autodiff", 0.6, {"steps": 10}),
        ("proxy", 0.8, {}),
    ],
)
def test_learning_beats_the_constant(
    effect: AnyEffect, sources: list[PairSource], name: str, most: float, options: dict[str, int]
) -> None:
    rows = [prepared("nothing", effect, sources), prepared(name, effect, sources, **options)]
    found = style.evaluate(rows, sources[2].all()).row(name)
    assert found.share[1] < most, found
    assert found.wins > 0.7


def test_searching_and_rules_need_no_training(effect: AnyEffect, sources: list[PairSource]) -> None:
    pairs = sources[2].all()[:4]
    rows = [prepared(name, effect, sources) for name in ("nothing", "cma", "rule")]
    found = style.evaluate(rows, pairs)
    assert found.row("cma").share[1] < 0.9
    assert found.row("rule").share[0] < 1.0


def test_a_head_comes_back_bit_for_bit_and_is_refused_elsewhere(
    effect: AnyEffect, sources: list[PairSource], tmp_path: Path
) -> None:
    made = prepared("regress", effect, sources)
    pairs = sources[2].all()
    wanted = made.params(pairs.dry, pairs.reference)
    path = style.save_head(made, tmp_path)
    other = effect_named("compressor", RATE)
    more = PairSource(other, sources[0].clips, seed=5, count=20)
    style.save_head(prepared("regress", other, [more, more]), tmp_path)
    back = load_head(tmp_path, effect)
    assert torch.equal(back.params(pairs.dry, pairs.reference), wanted)
    with pytest.raises(UserError, match="was made with the encoder"):
        load_head(path, effect, encoder=make_encoder("logmel", RATE).freeze())
    with pytest.raises(UserError, match="was trained at 16000 Hz, the effect runs at 48000"):
        load_head(path, effect_named("tilt_eq+ladder_filter", 48_000))
    with pytest.raises(UserError, match="is for tilt_eq"):
        load_head(path, other)
    with pytest.raises(UserError, match="no head of 'spsa' for"):
        load_head(tmp_path, effect, "spsa")
    file = Checkpoint.load(path)
    file.state["facts"]["params"]["tilt_eq.tilt_db"] = [-99.0, 99.0, "linear"]
    file.save(path)
    with pytest.raises(UserError, match=r"another version of .*: tilt_eq.tilt_db"):
        load_head(path, effect)


def test_a_run_that_was_stopped_gives_the_same_head(
    effect: AnyEffect, sources: list[PairSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = make_encoder("statistics", RATE).freeze()
    pairs = sources[2].all()

    def run(folder: Path) -> torch.Tensor:
        made = make_controller("regress")
        budget = Budget(steps=60, folder=folder)
        made.prepare(effect, sources[0], sources[1], encoder=ears, budget=budget)
        return made.params(pairs.dry, pairs.reference)

    wanted = run(tmp_path / "whole")
    save, count = Checkpoint.save, 0

    def killed(self: Checkpoint, path: str | Path) -> None:
        nonlocal count
        save(self, path)
        count += 1
        if count == 9:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "broken")
    assert torch.equal(run(tmp_path / "broken"), wanted)


def test_bad_input_says_what_was_wanted(
    effect: AnyEffect, sources: list[PairSource], clips: Clips, tmp_path: Path
) -> None:
    made = prepared("regress", effect, sources)
    sound = clips.audio[0]
    with pytest.raises(UserError, match="the reference is silent"):
        style.transfer(made, sound, torch.zeros(1, RATE), sample_rate=RATE)
    with pytest.raises(UserError, match=r"listens to 0.2 s at least, got 0.050 s"):
        style.transfer(made, sound[:, :800], sound, sample_rate=RATE)
    with pytest.raises(UserError, match="the sound has 48000 Hz, the effect 16000 Hz"):
        style.transfer(made, sound, sound, sample_rate=48_000)
    with pytest.raises(UserError, match="the clips have 16000 Hz, the effect 48000 Hz"):
        PairSource(effect_named("gain", 48_000), clips)
    with pytest.raises(UserError, match="the encoder hears 48000 Hz"):
        make_controller("cma").prepare(effect, encoder=make_encoder("logmel", 48_000))
    with pytest.raises(UserError, match="has no option 'depht'"):
        make_controller("regress", depht=3)
    with pytest.raises(UserError, match="unknown controller 'regres'; did you mean 'regress'"):
        make_controller("regres")
    dspcore.audio.write(tmp_path / "a.wav", torch.zeros(1, RATE), RATE)
    with pytest.raises(UserError, match=r"give no clip of 0.5 s that is not silent"):
        style.read_clips(tmp_path, RATE, 0.5)
    with pytest.raises(UserError, match="has not learnt yet"):
        make_controller("regress").prepare(effect).params(sound[None], sound[None])
    with pytest.raises(UserError, match="no pairing 'sum'"):
        prepared("regress", effect, sources, pairing="sum")


def test_channels_and_rates_may_differ(
    effect: AnyEffect, sources: list[PairSource], clips: Clips
) -> None:
    made = prepared("regress", effect, sources)
    stereo = torch.cat([clips.audio[0], 0.5 * clips.audio[1]])
    high = effect_named("tilt_eq+ladder_filter", 48_000)
    slow = resampled(stereo, RATE, 48_000)
    for dry, reference in ((slow, clips.audio[2]), (slow[:1], stereo)):
        found = style.transfer(
            made, dry, reference, sample_rate=48_000, reference_rate=RATE, effect=high
        )
        assert found.result.shape == dry.shape
        assert bool(found.result.isfinite().all())
        assert found.effect is not None
    with pytest.raises(UserError, match="the reference is silent"):
        style.transfer(made, stereo, 0 * stereo, sample_rate=RATE)
    # The same sound is as bright and as loud at any rate and of any length.
    twice = torch.cat([stereo, stereo], dim=1)
    same = style.Transfer(None, slow, twice, 2 * slow, None, 1, RATE).distances(48_000)
    assert max(same[name][0] for name in ("CFE dB", "RMS dB", "LUFS")) < 0.2
    assert same["SCE Hz"][0] < 30
    assert same["RMS dB"][1] == pytest.approx(6.02, abs=0.2)


def test_short_recordings_are_joined_and_never_lost(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for i in range(7):
            dspcore.audio.write(tmp_path / name / f"{i}.wav", 0.1 * torch.randn(2, 4000), 8000)
    clips = style.read_clips(tmp_path, RATE, 1.0)
    assert len(clips) == 6  # three and a half seconds of each folder
    assert clips.rejected == {"too short": 2}
    assert len(set(clips.groups)) == 2
    assert clips.audio.abs().amax(2) == pytest.approx(torch.full((6, 1), 0.25))


def test_doubts_come_with_numbers(effect: AnyEffect, sources: list[PairSource]) -> None:
    rows = [prepared(name, effect, sources) for name in (*style.YARDSTICKS, "regress")]
    assert advice(style.evaluate(rows, sources[2].all())) == []
    rows[-1].restore(effect, rows[-1].encoder, rows[-1].kept())  # it has learnt nothing
    rows[-1].module().requires_grad_(False)  # type: ignore[union-attr]
    doubts = advice(style.evaluate(rows, sources[2].all()))
    assert any("saying the middle to 0.25" in line for line in doubts)


@pytest.mark.parametrize("schedule", ["mixed", "per-epoch"])
def test_an_encoder_learns_from_several_effects(clips: Clips, schedule: str) -> None:
    effects = [effect_named(name, RATE) for name in ("tilt_eq", "ladder_filter")]
    training, held = clips.split(16, 4)
    config = Pretraining(
        schedule=schedule, pairs=16, validation=4, epochs=5, batch=8, lr=1e-9, seed=2
    )
    done = pretrain(effects, training, held, config)
    # It hardly moves: what best is comes by chance, and every effect has its turn after it.
    assert done.epochs == min(5, done.best_epoch + 2)
    assert len(done.history) == done.epochs
    assert max(done.history) < 1.01 * min(done.history)  # one fixed set, whatever was heard last
    before = done.encoder.digest()
    done.encoder.train(True)
    done.encoder(clips.audio[:2])
    assert done.encoder.digest() == before
    assert sum(source.cache.made for source in done.sources[:1]) > 0


def test_a_vae_rebuilds_better_after_a_few_steps(clips: Clips) -> None:
    effects = [effect_named("tilt_eq", RATE)]
    config = Pretraining(kind="vae", pairs=16, validation=4, epochs=4, batch=8, lr=2e-3)
    done = pretrain(effects, *clips.split(16, 4), config)
    assert min(done.history[1:]) < done.history[0]
    with pytest.raises(UserError, match="'logmel' has nothing to learn"):
        pretrain(effects, *clips.split(16, 4), Pretraining(kind="logmel"))


def test_a_controller_of_another_package_is_found(tmp_path: Path) -> None:
    """A package that knows only public names, installed beside: a folder and its entry point."""
    (tmp_path / "elsewhere.py").write_text(
        "import torch\nfrom dspcore.style import Controller\n\n\n"
        "class Full(Controller):\n    'Turn everything up.'\n    name = 'full'\n\n"
        "    def params(self, dry, reference, *, truth=None):\n"
        "        return torch.ones(len(dry), self.effect.num_params, dtype=torch.float64)\n"
    )
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dspcore.controllers]\nfull = elsewhere:Full\n")
    for i in range(4):
        sound = 0.1 * torch.randn(1, RATE)
        dspcore.audio.write(tmp_path / f"{i}.wav", sound, RATE)
    root = str(Path(__file__).resolve().parents[2])
    paths = [str(tmp_path), root, f"{root}/plugins", os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "dspcore.cli", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Turn everything up." in run("list", "controllers")
    words = ("style", "evaluate", "--effect", "gain", "--data", ".", "--seconds", "0.5")
    table = run(*words, "--sample-rate", "16000", "--test", "2", "--controller", "full")
    assert [line.split()[0] for line in table.split("\n\n")[1].splitlines()[1:]] == [
        *("nothing", "random", "constant", "oracle", "full")
    ]


def test_the_command_line_from_recordings_to_a_page(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for i, clip in enumerate(clips.audio):
        (tmp_path / "in").mkdir(exist_ok=True)
        dspcore.audio.write(f"in/{i}.wav", clip, RATE)

    def run(*words: str, fails: bool = False) -> str:
        done = CliRunner().invoke(main, words)
        assert (done.exit_code != 0) == fails, done.output
        return done.output

    shared = ("--data", "in", "--seconds", "1", "--test", "4")
    words = ("style", "train", "--effect", "ladder_filter", "--sample-rate", "16000", *shared)
    table = run(*words, "--pairs", "24", "--validation", "4", "--steps", "30")
    assert "regress" in table
    assert not list(tmp_path.glob("heads/ladder_filter/run-*"))
    run("style", "evaluate", "--effect", "ladder_filter", *shared, "--controller", "regress")
    ask = ("style", "transfer", "in/0.wav", "in/1.wav", "--effect", "ladder_filter")
    said = run(*ask, "--out", "result")
    assert "listen and look" in said
    page = Path("result/report.html").read_text()
    assert page.count("<audio") == 3
    rendered = run("render", "result/preset.toml", "in/0.wav", "-o", "again.wav")
    assert "again.wav" in rendered
    assert "exists already" in run(*ask, "--out", "result", fails=True)
    words = ("style", "pretrain", "--effect", "tilt", "--effect", "ladder_filter", "--data", "in")
    words += ("--sample-rate", "16000", "--seconds", "1", "--pairs", "10", "--validation", "2")
    assert "1 epochs" in run(*words, "--epochs", "1", "--out", "ear.safetensors")
    assert style.load_encoder("ear.safetensors").frozen
    lost = run(
        "style", "transfer", "in/0.wav", "in/1.wav", "--effect", "delay", "--out", "b", fails=True
    )
    assert "no head of 'regress' for delay" in lost
    assert "dspcore style train --effect delay" in lost
    gone = run(
        "style",
        "transfer",
        "in/0.wav",
        "in/1.wav",
        "--effect",
        "mda:Nothing",
        "--out",
        "b",
        fails=True,
    )
    assert "mda:Nothing" in gone
    assert not Path("b").exists()
