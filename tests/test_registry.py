"""Things added by kind and name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dspcore import registry
from dspcore.errors import UserError


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def test_what_is_registered_is_found() -> None:
    @registry.register("things", "copy")
    class Copy:
        pass

    registry.register("things", "lazy", "fractions:Fraction.limit_denominator")
    assert registry.get("things", "copy") is Copy
    assert registry.get("things", "lazy").__name__ == "limit_denominator"
    assert registry.names("things") == ["copy", "lazy"]
    assert registry.names("others") == []


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    registry.register("hosts", "ladspa", object())
    with pytest.raises(UserError, match=r"unknown host 'ladpsa'; did you mean 'ladspa'?"):
        registry.get("hosts", "ladpsa")


def test_a_name_is_taken_once() -> None:
    first = object()
    registry.register("hosts", "mine", first)
    registry.register("hosts", "mine", first)
    with pytest.raises(ValueError, match=r"'mine' is .* already"):
        registry.register("hosts", "mine", object())


@pytest.mark.parametrize("target", ["no_such_module:x", "fractions:Nothing"])
def test_what_cannot_be_imported_is_named(target: str) -> None:
    registry.register("hosts", "broken", target)
    with pytest.raises(UserError, match=rf"{target}: cannot be imported"):
        registry.get("hosts", "broken")


def test_entry_points_of_other_packages_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dspcore.hosts]\nfraction = fractions:Fraction\ngone = fractions:Nothing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.names("hosts") == ["fraction", "gone"]
    assert registry.get("hosts", "fraction").__name__ == "Fraction"
    with pytest.raises(UserError, match="hosts 'gone' of others cannot be imported"):
        registry.get("hosts", "gone")
