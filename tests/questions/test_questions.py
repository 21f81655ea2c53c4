"""The recipes of python/questions, in small: one runs to its page, and all are listed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python" / "questions"))

import answer  # noqa: E402

pytestmark = pytest.mark.usefixtures("native")


def said(seconds: float = 1.0, text: str = "") -> torch.Tensor:
    """In place of espeak-ng's voice: a gliding tone with overtones, (t,) float64."""
    n = torch.arange(round(16_000 * seconds), dtype=torch.float64) / 16_000
    turns = 150 * n + 60 * n.square()
    return sum((torch.sin(6.28 * k * turns + k) / k for k in (1, 2, 3, 5, 8)), torch.zeros_like(n))


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("q05_learned_c_on_target", {"STEPS": 3, "WAVES": 4, "T": 256}),
        pytest.param("q12_final_layer", {"STEPS": 2, "SEEDS": 2, "T": 128}, marks=pytest.mark.slow),
    ],
)
def test_a_recipe_writes_its_page_its_figure_and_its_line(
    name: str, small: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = importlib.import_module(name)
    monkeypatch.setattr(answer, "PAGES", tmp_path / "questions")
    monkeypatch.setattr(answer, "INDEX", tmp_path / "questions.md")
    monkeypatch.setattr(recipe, "speech", said)
    for key, value in small.items():
        monkeypatch.setattr(recipe, key, value)
    recipe.main()
    number = name[:3]
    page = (tmp_path / "questions" / f"{number}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# Q{int(number[1:])}. ")
    assert f"python python/questions/{name}.py" in page
    assert (tmp_path / "questions" / f"{number}.png").stat().st_size > 5_000
    assert f"questions/{number}.md" in (tmp_path / "questions.md").read_text(encoding="utf-8")


def test_all_fifteen_have_a_recipe_a_page_a_figure_and_a_line() -> None:
    index = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
    for n in range(1, 16):
        name = f"q{n:02d}"
        assert len(list((ROOT / "python" / "questions").glob(f"{name}_*.py"))) == 1
        assert (ROOT / "docs" / "questions" / f"{name}.png").is_file()
        assert f"[Q{n}](questions/{name}.md)" in index
