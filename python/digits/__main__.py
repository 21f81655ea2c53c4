"""The study: train judge and DigitWave, say what was never heard, count what is understood."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from digits import recordings
from digits.embeddings import by_name
from digits.judge import VOICES, Judge, errors, examples
from digits.model import AFTER, DigitWave, wave_of
from digits.speech import BANDS, HOP, RATE, WORDS, Utterance, utterance
from digits.strings import allowed_pairs, known_strings, unseen_strings
from dspcore import train


def fit_of(steps: int, lr: float) -> train.FitConfig:
    """A run that warms up and slows down."""
    schedule = train.Schedule([(0, 1.0), (steps, 0.02)], "cosine", warmup=50)
    rule = train.OptimizerConfig(lr=lr, schedule=schedule, clip_norm=5.0)
    return train.FitConfig(steps=steps, optimizer=rule, trackers=[], log_every=50)


@dataclass
class Study:
    """DigitWave.

    Attributes:
        folder: Where the results go.
        voice: Whom the model imitates, and the judge never hears: a voice of espeak-ng, or a person
            of the Free Spoken Digit Dataset, ``fsdd:jackson``.
        people: Whether the judge learns from that data set's other people, too.
        speed: Words a minute.
        embedding: hashed (fixed), learned, or lm:NAME, a layer of a language model (transformers).
        pairs: Of 100 ordered pairs of digits, how many may be heard.
        strings: Longer strings to learn from.
        longest: Digits in those at most.
        singles: How often a single digit comes for each time that a longer string does.
        tests: Unseen strings of each kind.
        judge_speeds: Words a minute of the judge's voices.
        judge_strings: Strings of ten digits for each voice and speed.
        batch: Strings in a step.
        seed: Of everything.
        model: The run of DigitWave.
        judge: The run of the judge.
    """

    folder: str = "runs/digits"
    voice: str = "en-us"
    people: bool = False
    speed: int = 150
    embedding: str = "hashed"
    pairs: int = 40
    strings: int = 200
    longest: int = 5
    singles: int = 4
    tests: int = 100
    judge_speeds: list[int] = field(default_factory=lambda: [125, 150, 185])
    judge_strings: int = 2
    batch: int = 8
    seed: int = 0
    model: train.FitConfig = field(default_factory=lambda: fit_of(1500, 1e-3))
    judge: train.FitConfig = field(default_factory=lambda: fit_of(400, 2e-3))


def digit_loss(model: DigitWave, batch: list[Utterance], step: int) -> dict[str, Tensor]:
    """How far frames, ends and durations are from those of utterances, a mean over frames."""
    pointed, wanted, ends, lengths, taken = [], [], [], [], []
    for said in batch:
        heard = model.heard(said.digits)
        starts, end = torch.tensor(said.starts).float(), torch.tensor(float(said.end))
        count = said.end + AFTER
        pointed.append(model.pointed(heard, starts, end, count))
        wanted.append(target(said, count))
        ends.append((torch.arange(count) >= said.end).float())
        lengths.append(model.durations(heard).log())
        taken.append(torch.cat([starts, end[None]]).diff().log())
    found, logits = model.controls(torch.cat(pointed))
    right = (torch.cat(wanted) - model.center) / model.spread
    voiced = torch.cat(wanted)[:, -1]
    parts = {
        "bands": mse_loss(found[:, :BANDS], right[:, :BANDS]),
        "pitch": (voiced * (found[:, BANDS] - right[:, BANDS]).square()).mean(),
        "voicing": mse_loss(found[:, -1], right[:, -1]),
        "end": binary_cross_entropy_with_logits(logits, torch.cat(ends)),
        "duration": 10 * mse_loss(torch.cat(lengths), torch.cat(taken)),
    }
    return {"loss": torch.stack(list(parts.values())).sum()} | parts


def target(said: Utterance, count: int) -> Tensor:
    """Features of `count` frames; after the sound comes silence."""
    found = said.features[:count].clone()
    found = torch.cat([found, found[-1:].expand(count - len(found), -1)])
    found[said.end :, :BANDS] = float(torch.tensor(1e-9).log())
    found[said.end :, -1] = 0
    return found


def learn_judge(study: Study) -> tuple[Judge, float]:
    """The judge, and its share of right digits for the voice that it never heard."""
    torch.manual_seed(study.seed)
    heard = examples(VOICES, study.judge_speeds, study.judge_strings, study.seed)
    own = study.voice.partition("fsdd:")[2]
    if study.people or own:
        heard += recordings.examples([s for s in recordings.speakers() if s != own], study.seed)
    judge = Judge()

    def loss(model: Judge, batch: list[Tensor], step: int) -> Tensor:
        shifted = torch.roll(batch[0], int(torch.randint(-2, 3, ())), 2)
        return cross_entropy(model(shifted + 0.1 * torch.randn(len(shifted), 1, 1)), batch[1])

    train.fit(judge, loss, train.Shuffled(heard, 64, seed=study.seed), study.judge)
    if own:
        tests = recordings.examples([own], study.seed + 1)
    else:
        tests = examples([study.voice], (140, 150, 160), 2, study.seed + 1)
    with torch.no_grad():
        right = judge.eval()(torch.stack([x for x, _ in tests])).argmax(1)
    return judge, float((right == torch.tensor([d for _, d in tests])).float().mean())


def learn_model(study: Study, said: list[Utterance]) -> DigitWave:
    """DigitWave, trained on utterances."""
    torch.manual_seed(study.seed)
    model = DigitWave(WORDS, by_name(study.embedding))
    frames = torch.cat([target(u, u.end) for u in said])
    model.center.copy_(frames.mean(0))
    model.spread.copy_(frames.std(0))
    often = [u for u in said for _ in range(study.singles if len(u.digits) == 1 else 1)]
    data = train.Shuffled(often, study.batch, seed=study.seed, collate=list)
    train.fit(model, digit_loss, data, study.model)
    return model.eval()


def judged(
    study: Study, model: DigitWave, judge: Judge, strings: list[tuple[int, ...]]
) -> dict[str, Any]:
    """Errors in what the model says, in what its voice says, and how well the end is met."""
    wrong = theirs = ends = total = compared = 0
    late: list[float] = []
    for digits in strings:
        integers, bit = model.say(digits)
        wrong += errors(digits, judge.hear(wave_of(integers)))
        total += len(digits)
        said = utterance(digits, study.voice, study.speed)
        if said is None:
            continue
        compared += len(digits)
        theirs += errors(digits, judge.hear(said.audio))
        length = int((bit == 0).sum()) / HOP
        late.append(10 * abs(length - said.end))
        ends += late[-1] <= 50
    return {
        "strings": len(strings),
        "digits": total,
        "digit_error": wrong / total,
        "digit_error_of_the_voice_itself": theirs / max(1, compared),
        "end_error_ms_mean": sum(late) / len(late),
        "end_error_ms_max": max(late),
        "ends_within_50_ms": ends / len(late),
    }


def memorised(known: list[tuple[int, ...]], strings: list[tuple[int, ...]]) -> float:
    """Digit error of who answers with the nearest string that was learnt."""
    wrong = sum(min(errors(s, k) for k in known) for s in strings)
    return wrong / sum(len(s) for s in strings)


def main() -> None:
    """Run the study and write results.json, results.md and sounds."""
    study = train.read_config(Study, program="python -m digits")
    folder, began = Path(study.folder), time.process_time()
    folder.mkdir(parents=True, exist_ok=True)
    judge, accuracy = learn_judge(study)
    pairs = allowed_pairs(study.pairs, study.seed)
    known = known_strings(pairs, study.strings, study.longest, study.seed)
    said = [u for u in (utterance(s, study.voice, study.speed) for s in known) if u is not None]
    prepared = time.process_time()
    model = learn_model(study, said)
    trained = time.process_time()
    kinds = {
        "single digits": [(d,) for d in range(10)],
        "known strings": [s for s in known if len(s) > 1][: study.tests],
        "unseen, 1 to 5": unseen_strings(known, 2, 5, study.tests, study.seed + 2),
        "unseen, 6 to 8": unseen_strings(known, 6, 8, study.tests // 2, study.seed + 3),
    }
    results: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "judge_on_the_unheard_voice": accuracy,
        "utterances": len(said),
        "left_out": len(known) - len(said),
        "pairs_heard": len({p for s in known for p in pairwise(s)}),
        "cpu_seconds": {"judge and data": prepared - began, "model": trained - prepared},
    }
    for kind, strings in kinds.items():
        results[kind] = judged(study, model, judge, strings)
        results[kind]["nearest_learnt_string_error"] = memorised(known, strings)
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    for digits in [*kinds["single digits"], *kinds["unseen, 6 to 8"][:3]]:
        wave = wave_of(model.say(digits)[0])
        name = "".join(map(str, digits))
        soundfile.write(folder / f"{name}.wav", wave.numpy(), RATE)
    checkpoint = train.Checkpoint()
    checkpoint.put_modules({"model": model, "judge": judge})
    checkpoint.save(folder / "model.safetensors")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
