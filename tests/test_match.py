"""The search, its report, and the command around it."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from click.testing import CliRunner, Result
from torch import Tensor

from dspcore import audio, load_preset
from dspcore.chain import Chain
from dspcore.cli import main
from dspcore.cli import match as command
from dspcore.demo import SAMPLE_RATE, hidden_chain, loop
from dspcore.effects import Gain, ParametricEQ
from dspcore.losses import MultiscaleSpectral, residual_db
from dspcore.match import Match, match
from dspcore.match.report import write_report

pytestmark = pytest.mark.usefixtures("native")

RATE = 16_000


def noise(seconds: float = 0.5, channels: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.2 * torch.randn(channels, round(seconds * RATE), generator=generator)


def by_hand(gain_db: float = -6.0, found_db: float = -5.5, channels: int = 1) -> Match:
    """A match as a search would return it: right but for half a dB."""
    dry = noise(channels=channels)
    chain = Chain([Gain(RATE, gain_db=found_db)])
    reference = dry * 10 ** (gain_db / 20)
    history = [("guess", 1.0, -1.0), ("descend", 0.5, -10.0), ("refine", 0.1, -25.0)]
    result = chain(dry[None])[0]
    return Match(chain, chain.values, result, dry, reference, history, ["gain.gain_db"])


class Page(HTMLParser):
    """The pictures, players, table cells and other text of a report."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.sources: dict[str, list[str]] = {"audio": [], "img": []}
        self.cells: list[str] = []
        self.words = ""
        self._in_cell = False
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.sources:
            self.sources[tag].append(dict(attrs)["src"] or "")
        self._in_cell = tag in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._in_cell:
            self.cells.append(data)
            self._in_cell = False

    def sounds(self) -> list[Tensor]:
        start = "data:audio/flac;base64,"
        assert all(source.startswith(start) for source in self.sources["audio"])
        files = [base64.b64decode(s.removeprefix(start)) for s in self.sources["audio"]]
        read = [soundfile.read(io.BytesIO(file), always_2d=True)[0] for file in files]
        return [torch.from_numpy(samples.T) for samples in read]


# --- the report -----------------------------------------------------------------------------------


def test_a_seed_finds_the_same_with_any_number_of_threads() -> None:
    dry = noise(channels=2)
    chain = ParametricEQ(RATE, peak_1_hz=900.0, peak_1_gain_db=6.0, low_shelf_gain_db=-4.0)
    with torch.no_grad():
        reference = chain(dry[None])[0]
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            few = {"guesses": 16, "descents": 2, "descent_steps": 3, "hops": 0, "refine_steps": 4}
            found.append(match(dry, reference, Chain([ParametricEQ(RATE)]), **few).values)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_report_holds_players_figures_and_settings(tmp_path: Path) -> None:
    found = by_hand()
    write_report(found, tmp_path / "r.html", true={"gain.gain_db": -6.0}, notes=["A <b> note."])
    page = Page(tmp_path / "r.html")
    dry, reference, result, missed = page.sounds()
    for heard, meant in ((dry, found.dry), (reference, found.reference), (result, found.result)):
        torch.testing.assert_close(heard.float(), meant, atol=1 / 32_000, rtol=0)
    raised = int(re.findall(r"raised by (\d+) dB", page.words)[0])
    difference = (found.result - found.reference) * 10 ** (raised / 20)
    torch.testing.assert_close(missed.float(), difference, atol=1 / 32_000, rtol=0)
    assert len(page.sources["img"]) == 3
    for picture in page.sources["img"]:
        assert base64.b64decode(picture.partition("base64,")[2]).startswith(b"\x89PNG")
    head = ["parameter", "found", "true", "error", "unit", "range"]
    row = ["gain", "gain_db", "-5.5", "-6", "+0.500", "dB"]
    assert page.cells[: len(head)] == head
    assert page.cells[len(head) :][: len(row)] == row
    assert f"{found.after_db:.1f} dB" in page.words
    assert "LUFS" in page.words
    assert "A <b> note." in page.words


def test_report_asks_nothing_of_the_network(tmp_path: Path) -> None:
    write_report(by_hand(), tmp_path / "r.html")
    source = Page(tmp_path / "r.html").source
    assert not re.search(r'https?:|(src|href)="(?!data:)|url\(|@import|<script|<link', source)


def test_report_without_true_values_shows_none(tmp_path: Path) -> None:
    write_report(by_hand(), tmp_path / "r.html")
    assert "true" not in Page(tmp_path / "r.html").cells


def test_report_marks_what_was_not_searched(tmp_path: Path) -> None:
    found = by_hand()
    found.free.clear()
    write_report(found, tmp_path / "r.html")
    assert "gain_db (fixed)" in Page(tmp_path / "r.html").cells


def test_players_of_a_loud_sound_are_turned_down_together(tmp_path: Path) -> None:
    found = by_hand(gain_db=20.0, found_db=20.5, channels=2)
    write_report(found, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    dry, reference, result, _ = page.sounds()
    gain = 0.99 / float(found.result.abs().max())
    assert f"{-20 * torch.tensor(gain).log10():.1f} dB quieter" in page.words
    for heard, meant in ((dry, found.dry), (reference, found.reference), (result, found.result)):
        torch.testing.assert_close(heard.float(), gain * meant, atol=1 / 32_000, rtol=0)


def test_report_of_an_exact_match_says_so(tmp_path: Path) -> None:
    found = by_hand()
    exact = Match(found.chain, found.values, found.reference, found.dry, found.reference)
    exact.history.append(("guess", 0.0, -float("inf")))
    write_report(exact, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert len(page.sounds()) == 3
    assert "they are equal" in page.words
    assert "exact" in page.words


def test_players_hold_thirty_seconds(tmp_path: Path) -> None:
    chain = Chain([Gain(100)])
    dry = 0.1 * torch.randn(1, 3_500)
    found = Match(chain, chain.values, dry, dry, 2 * dry, [("guess", 1.0, 0.0)])
    write_report(found, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert {sound.shape[1] for sound in page.sounds()} == {3_000}
    assert "first 30 s" in page.words


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a dry sound, a reference 6 dB below it, and a chain of one gain."""
    monkeypatch.chdir(tmp_path)
    audio.write("dry.wav", noise(), RATE, "FLOAT")
    audio.write("reference.wav", noise() / 2 + 1e-5 * noise(seed=1), RATE, "FLOAT")
    Path("chain.toml").write_text('dspcore = 1\n[[effect]]\ntype = "gain"\n')
    Path("true.toml").write_text('dspcore = 1\n[[effect]]\ntype = "gain"\ngain_db = -6.0206\n')


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def run_match(*more: str, dry: str = "dry.wav", reference: str = "reference.wav") -> Result:
    chain = [] if "--chain" in more else ["--chain", "chain.toml"]
    return run("match", dry, reference, *chain, "--out", "result", *more)


@pytest.mark.usefixtures("_inside")
def test_match_writes_sound_preset_report_and_numbers() -> None:
    done = run_match("--true", "true.toml", "--effort", "quick", "--seed", "3")
    assert done.exit_code == 0, done.output
    assert re.search(r"gain\.gain_db +-6\.02\d* +-6\.02\d* +\S+ +dB", done.output)
    names = ["match.json", "preset.toml", "report.html", "result.wav"]
    assert sorted(path.name for path in Path("result").iterdir()) == names
    numbers = json.loads(Path("result/match.json").read_text())
    assert numbers["residual_db"]["after"] < -60 < numbers["residual_db"]["before"]
    assert numbers["options"]["seed"] == 3
    (setting,) = numbers["settings"]
    assert setting["found"] == pytest.approx(-6.0206, abs=1e-3)
    result, rate = audio.read("result/result.wav")
    assert rate == RATE
    again = load_preset("result/preset.toml", RATE)(noise()[None])[0]
    torch.testing.assert_close(result, again, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("_inside")
def test_a_limit_ends_the_search_and_the_report_says_so() -> None:
    done = run_match("--limit", "1e-6")
    assert done.exit_code == 0, done.output
    assert json.loads(Path("result/match.json").read_text())["options"]["limit_s"] == 1e-6
    assert "limit of 1e-06 s of CPU time" in Path("result/report.html").read_text()


@pytest.mark.usefixtures("_inside")
def test_match_keeps_an_existing_result_unless_told() -> None:
    Path("result").mkdir()
    Path("result/preset.toml").write_text("mine")
    done = run_match()
    assert done.exit_code == 1
    assert "result/preset.toml: exists already; replace with --overwrite" in done.output
    assert Path("result/preset.toml").read_text() == "mine"
    assert run_match("--overwrite", "--effort", "quick").exit_code == 0
    assert Path("result/preset.toml").read_text() != "mine"


@pytest.mark.usefixtures("_inside")
def test_match_resamples_the_reference_only_when_told() -> None:
    audio.write("other.wav", noise(channels=2), 2 * RATE)
    done = run_match(reference="other.wav")
    assert done.exit_code == 1
    assert "--resample" in done.output
    assert not Path("result").exists()
    # The reference is another performance now; what counts is that rate and report say so.
    assert run_match("--resample", "--effort", "quick", reference="other.wav").exit_code == 0
    assert "resampled from 32000 Hz to 16000 Hz" in Path("result/report.html").read_text()
    assert audio.read("result/result.wav")[1] == RATE


@pytest.mark.usefixtures("_inside")
@pytest.mark.parametrize(
    ("arguments", "files", "said"),
    [
        (["--chain", "gone.toml"], {}, "gone.toml: no such file"),
        (["--chain", "bad.toml"], {"bad.toml": '[[effect]]\ntype="gian"'}, "bad.toml: "),
        (["--fix", "gain.gian_db"], {}, "did you mean 'gain.gain_db'?"),
        (["--true", "gone.toml"], {}, "gone.toml: no such file"),
        (
            ["--true", "eq.toml"],
            {"eq.toml": 'dspcore = 1\n[[effect]]\ntype = "eq"\n'},
            "has the effects parametric_eq, but chain.toml has gain",
        ),
        (["--effort", "heroic"], {}, "'heroic' is not one of"),
        (["--seconds", "0"], {}, "--seconds"),
        (["--limit", "0"], {}, "--limit"),
    ],
)
def test_match_says_what_is_wrong_with_its_options(
    arguments: list[str], files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        Path(name).write_text(text)
    fails(run_match(*arguments), said)


@pytest.mark.usefixtures("_inside")
@pytest.mark.parametrize("place", ["dry", "reference"])
@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (torch.zeros(1, 100), "bad.wav: is silent"),
        (torch.full((1, 100), torch.nan), "bad.wav: NaN or infinite sample"),
        (torch.zeros(1, 0), "bad.wav: the audio is empty"),
        (None, "bad.wav: no such file"),
    ],
)
def test_match_says_what_is_wrong_with_a_sound(
    place: str, samples: Tensor | None, said: str
) -> None:
    if samples is not None:
        soundfile.write("bad.wav", samples.numpy().T, RATE, "FLOAT")
    fails(run_match(**{place: "bad.wav"}), said)


@pytest.mark.usefixtures("_inside")
def test_match_refuses_channels_that_do_not_fit() -> None:
    audio.write("stereo.wav", noise(channels=2), RATE)
    fails(run_match(dry="stereo.wav"), "dry has 2 channels and reference 1")


@pytest.mark.usefixtures("_inside")
def test_interrupted_match_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "match", interrupted)
    done = run_match()
    assert done.exit_code == 130
    assert not Path("result").exists()


@pytest.mark.usefixtures("_inside")
def test_match_writes_all_files_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("result").mkdir()
    Path("result/report.html").mkdir()  # a folder in the way of the third file
    monkeypatch.setattr(command, "match", lambda *_, **__: by_hand())
    done = run_match("--overwrite")
    assert done.exit_code == 1
    assert "report.html: cannot be written, it is a folder" in done.output
    assert [path.name for path in Path("result").iterdir()] == ["report.html"]


def fails(done: Result, said: str) -> None:
    assert done.exit_code in (1, 2)
    assert said in done.output
    assert "Traceback" not in done.output
    assert not Path("result").exists()


# --- the measures ---------------------------------------------------------------------------------


def test_measures_are_zero_for_equal_sounds_and_grow_with_the_difference() -> None:
    reference, other = noise()[None], noise(seed=1)[None]
    loss = MultiscaleSpectral(reference)
    assert float(loss(reference)) == 0
    assert float(residual_db(reference, reference)) == -float("inf")
    sounds = [reference + amount * other for amount in (0.01, 0.1, 1.0)]
    losses = [float(loss(sound)) for sound in sounds]
    residuals = [float(residual_db(sound, reference)) for sound in sounds]
    assert losses == sorted(losses)
    assert losses[0] > 0
    assert residuals == pytest.approx([-40, -20, 0], abs=0.2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spectral_loss_has_a_finite_gradient_at_silence(dtype: torch.dtype) -> None:
    sound = torch.zeros(2, 1, RATE // 4, dtype=dtype, requires_grad=True)
    losses = MultiscaleSpectral(noise(0.25)[None].to(dtype))(sound)
    assert losses.shape == (2,)
    losses.sum().backward()
    assert sound.grad is not None
    assert bool(sound.grad.isfinite().all())


# --- the search -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_match_recovers_hidden_settings_of_an_equaliser() -> None:
    dry = loop(bars=1)[:, :SAMPLE_RATE]
    hidden = hidden_chain(dry)[:1]
    reference = hidden(dry[None])[0]
    found = match(dry, reference, Chain([ParametricEQ(SAMPLE_RATE)]))
    assert found.before_db > -10
    assert found.after_db < found.before_db - 20
