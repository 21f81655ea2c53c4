"""The study of spoken digits, in small: its parts, and three digits that a listener understands."""

from __future__ import annotations

import shutil
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from digits import embeddings, judge, model, recordings, speech, strings  # noqa: E402
from digits.__main__ import Study, digit_loss, fit_of, target  # noqa: E402

from dspcore import audio, train  # noqa: E402

needs_voice = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")


def test_strings_stay_within_their_pairs_and_tests_are_new() -> None:
    pairs = strings.allowed_pairs(40, 0)
    assert len(pairs) == 40
    known = strings.known_strings(pairs, 50, 5, 0)
    assert len(known) == 60
    assert {p for s in known for p in pairwise(s)} <= pairs
    unseen = strings.unseen_strings(known, 2, 5, 50, 1)
    assert not set(unseen) & set(known)
    assert {len(s) for s in unseen} == {2, 3, 4, 5}


def test_errors_are_edits() -> None:
    assert judge.errors((1, 2, 3), (1, 2, 3)) == 0
    assert judge.errors((1, 2, 3), (1, 4, 3)) == 1
    assert judge.errors((1, 2, 3), (2, 3)) == 1
    assert judge.errors((1, 2), (7, 1, 2, 8)) == 2
    assert judge.errors((), (5,)) == 1


def test_integers_are_a_wave_and_back() -> None:
    wave = torch.linspace(-1, 1, 999)
    integers = model.mu_law(wave)
    assert (int(integers.min()), int(integers.max())) == (0, 255)
    assert (integers.diff() >= 0).all()
    assert float((model.wave_of(integers) - wave).abs().max()) < 0.025
    assert torch.equal(model.mu_law(model.wave_of(torch.arange(256))), torch.arange(256))


class Words:
    """In place of a tokenizer: letters as numbers."""

    @classmethod
    def from_pretrained(cls, name: str, *, local_files_only: bool) -> Words:
        if name != "here" or not local_files_only:
            raise OSError(name)
        return cls()

    def __call__(self, word: str, return_tensors: str) -> dict[str, torch.Tensor]:
        return {"input_ids": torch.tensor([[ord(letter) for letter in word]])}


class Layers(Words):
    """In place of a model: three hidden states that grow with the letters."""

    def eval(self) -> Layers:
        return self

    def __call__(self, input_ids: torch.Tensor, output_hidden_states: bool) -> SimpleNamespace:  # type: ignore[override]
        base = torch.sin(input_ids[..., None] * torch.arange(1.0, 65.0))
        return SimpleNamespace(hidden_states=(base, 2 * base.cos(), base))


def test_a_word_s_vector_is_hashed_learned_or_a_language_model_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RuntimeError, match="pip install transformers"):
        embeddings.by_name("lm:here")
    fake = SimpleNamespace(AutoTokenizer=Words, AutoModel=Layers)
    monkeypatch.setitem(sys.modules, "transformers", fake)
    embed = embeddings.by_name("lm:here")
    assert embed is not None
    one, two = embed("one"), embed("two")
    assert one.shape == (32,)
    assert float(one.square().mean()) == pytest.approx(1.0, abs=1e-4)
    assert torch.equal(one, embed("one"))
    assert not torch.allclose(one, two)
    speaker = model.DigitWave(speech.WORDS, embed)
    assert speaker.vectors.shape == (10, 32)
    assert embeddings.by_name("learned") is None
    with pytest.raises(RuntimeError, match="on this machine"):
        embeddings.by_name("lm:elsewhere")
    with pytest.raises(ValueError, match="hashed, learned or lm:NAME"):
        embeddings.by_name("lm:")


def test_people_are_cut_to_their_words_and_pauses_part_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fsdd").mkdir()
    n = torch.arange(2_400) / 8_000
    for digit in range(10):
        for take, length in enumerate((0.2, 0.25, 0.3)):
            loud = (n < length).float() * torch.sin(6.28 * (200 + 40 * digit) * n)
            sound = torch.nn.functional.pad(0.1 * (take + 1) * loud, (800, 800))
            audio.write(tmp_path / "fsdd" / f"{digit}_ann_{take}.wav", sound[None], 8_000)
    monkeypatch.setenv("DSPCORE_DATA", str(tmp_path))
    recordings.words.cache_clear()
    takes = recordings.words("ann")[3]
    assert [round(len(take) / 80) for take in takes] == pytest.approx([20, 25, 30], abs=1)
    power = [take.square().mean() for take in takes]
    assert float(max(power) / min(power)) < 1.3
    said = speech.utterance((3, 1, 4), "fsdd:ann")
    assert said is not None
    assert len(said.starts) == 3
    assert said.end == pytest.approx(25 * 3 + 2 * speech.GAP + 2, abs=3)
    assert len(recordings.examples(recordings.speakers(), 0)) == 30
    with pytest.raises(RuntimeError, match="known: ann"):
        recordings.words("bob")
    monkeypatch.setenv("DSPCORE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(RuntimeError, match="free-spoken-digit-dataset"):
        recordings.folder()
    recordings.words.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("native")
@needs_voice
def test_three_digits_are_said_ended_and_understood() -> None:
    study = Study(model=fit_of(250, 2e-3), judge=fit_of(120, 3e-3))
    digits = (1, 5, 8)
    said = [speech.utterance((d,), study.voice, study.speed) for d in digits]
    torch.manual_seed(0)
    speaker = model.DigitWave(speech.WORDS, width=128)
    frames = torch.cat([target(u, u.end) for u in said if u is not None])
    speaker.center.copy_(frames.mean(0))
    speaker.spread.copy_(frames.std(0))
    quiet = {"progress": False, "accelerator": "cpu"}
    for config in (study.model, study.judge):
        for name, value in quiet.items():
            setattr(config, name, value)
    train.fit(speaker, digit_loss, lambda step: said, study.model)
    voices = ("en-gb", "en-us+m3", "en-us+f2", "en-gb+m4")
    heard = judge.examples(voices, (150,), 2, 0)
    listener = judge.Judge()

    def loss(listener: judge.Judge, batch: list[torch.Tensor], step: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(listener(batch[0]), batch[1])

    train.fit(listener, loss, train.Shuffled(heard, 32), study.judge)  # type: ignore[arg-type]
    for digit, own in zip(digits, said, strict=True):
        assert own is not None
        integers, bit = speaker.say((digit,))
        assert abs(int((bit == 0).sum()) / speech.HOP - own.end) <= 8  # frames of 10 ms
        assert listener.hear(model.wave_of(integers)) == [digit]
