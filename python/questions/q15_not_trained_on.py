"""Q15: does the model say what it was not trained on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from answer import ROOT, Answer

STUDY = ["--model.steps", "1200", "--tests", "60", "--singles", "1"]
KINDS = ("single digits", "known strings", "unseen, 1 to 5", "unseen, 6 to 8")


def studied(folder: Path) -> dict[str, dict[str, float]]:
    """Results of the digits study in a folder, which is run when there are none; by kind of string."""
    if not (folder / "results.json").is_file():
        words = [sys.executable, "-m", "digits", "--folder", str(folder.resolve()), *STUDY]
        subprocess.run(words, cwd=ROOT / "python", check=True)
    found: dict[str, dict[str, float]] = json.loads((folder / "results.json").read_text("utf-8"))
    return found


def main(folder: str = "runs/digits") -> None:
    """The errors of DigitWave on strings that it heard and on strings that are new."""
    results = studied(Path(folder))
    rows, bars = [], {}
    for kind in KINDS:
        found = results[kind]
        said, memory = found["digit_error"], found["nearest_learnt_string_error"]
        bars[kind] = said, memory
        ends = f"{found['end_error_ms_mean']:.0f} ms"
        rows.append(
            [kind, f"{found['strings']:.0f}", f"{100 * said:.1f} %", f"{100 * memory:.1f} %", ends]
        )

    def draw(figure):
        axes = figure.subplots()
        places = range(len(bars))
        for n, label in enumerate(("what the model says", "nearest learnt string")):
            values = [100 * v[n] for v in bars.values()]
            axes.barh([p + 0.2 - 0.4 * n for p in places], values, 0.4, label=label)
        axes.set_yticks(list(places), list(bars))
        axes.set_xlabel("digits wrong, %")
        axes.legend()

    short, longer = rows[2], rows[3]
    Answer(
        15,
        "Does the model say what it was not trained on?",
        f"Yes, because it is built of words: of unseen strings of 2 to 5 digits {short[2]} of the digits are wrong, where "
        f"the nearest learnt string would have {short[3]} wrong, of 6 to 8 digits {longer[2]} against {longer[3]}.",
        "DigitWave (`python/digits/`) learnt from 210 strings of 1 to 5 digits with 40 of the 100 ordered pairs, in one "
        f"voice of espeak-ng (`python -m digits {' '.join(STUDY)}`); a listener that learnt from other voices judges. Each "
        "frame hears its own word, the neighbours and how far it has come, so new orders are new only at the seams: "
        "composition by construction, not something that emerged. Known strings are said no better than new ones. What "
        "does suffer is length: pauses of espeak-ng depend on the sentence, so ends are further off. One seed.",
        ["strings", "number", "digit error", "nearest learnt string", "end error, mean"],
        rows,
        "Digit errors of the model, and of who answers with the nearest string that was learnt.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main(*sys.argv[1:])
