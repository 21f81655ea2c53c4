"""Q15: does the model say what it was not trained on."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from answer import Answer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from digits.__main__ import Study, fit_of, judged, learn_judge, learn_model, memorised
from digits.speech import utterance
from digits.strings import allowed_pairs, known_strings, unseen_strings

PAIRS, STRINGS, STEPS, TESTS = (10, 40), 100, 450, 20


def main() -> None:
    """DigitWave from strings of few pairs, asked for strings of any."""
    with tempfile.TemporaryDirectory() as folder:
        study = Study(
            folder=folder, model=fit_of(STEPS, 1.5e-3), judge=fit_of(200, 2e-3), judge_strings=1
        )
        study.model.progress = study.judge.progress = False
        judge, accuracy = learn_judge(study)
        rows, bars = [], {}
        for pairs in PAIRS:
            known = known_strings(allowed_pairs(pairs, 0), STRINGS, 5, 0)
            heard = (utterance(s, study.voice, study.speed) for s in known)
            model = learn_model(study, [said for said in heard if said is not None])
            kinds = {
                "known": [s for s in known if len(s) > 1][:TESTS],
                "unseen, 2 to 5 digits": unseen_strings(known, 2, 5, TESTS, 2),
                "unseen, 6 to 8 digits": unseen_strings(known, 6, 8, TESTS, 3),
            }
            for kind, strings in kinds.items():
                result = judged(study, model, judge, strings)
                memory = memorised(known, strings)
                bars[f"{pairs} pairs, {kind}"] = (result["digit_error"], memory)
                rows.append(
                    [str(pairs), kind, f"{100 * result['digit_error']:.1f} %",
                     f"{100 * result['digit_error_of_the_voice_itself']:.1f} %", f"{100 * memory:.1f} %",
                     f"{result['end_error_ms_mean']:.0f} ms"]
                )  # fmt: skip

    def draw(figure):
        axes = figure.subplots()
        places = range(len(bars))
        for n, label in enumerate(("what the model says", "nearest learnt string")):
            values = [100 * v[n] for v in bars.values()]
            axes.barh([p + 0.2 - 0.4 * n for p in places], values, 0.4, label=label)
        axes.set_yticks(list(places), list(bars), fontsize=7)
        axes.set_xlabel("digit error, %")
        axes.legend()

    few, many = rows[1], rows[4]
    Answer(
        15,
        "Does the model say what it was not trained on?",
        f"Yes, because it is built of words: from strings with {PAIRS[1]} of 100 pairs it says unseen strings of 2 to "
        f"5 digits with {many[2]} of digits wrong, where the nearest learnt string would have {many[4]} wrong; "
        f"with {PAIRS[0]} pairs {few[2]} against {few[4]}.",
        f"DigitWave (`python/digits/`) after {STEPS} steps on {STRINGS} strings and the ten single digits in one voice of "
        f"espeak-ng; a listener that learnt from other voices judges ({100 * accuracy:.0f} % right on this voice). Each "
        "frame hears its own word, the neighbours and how far it has come, so new orders are new only at the seams: "
        "that is composition by construction, not something that emerged. What does suffer is length, since pauses of "
        "espeak-ng depend on the sentence. One seed.",
        [
            "pairs heard",
            "strings",
            "digit error",
            "espeak-ng's own",
            "nearest learnt string",
            "end error",
        ],
        rows,
        "Digit errors of the model, and of who answers with the nearest string that was learnt.",
    ).publish(draw, script=__file__)


if __name__ == "__main__":
    main()
