"""What README.md and docs/ say, run: Python blocks in order, commands, links, and the tables."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner

from dspcore import audio, ops
from dspcore.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
IDS = [path.name for path in PAGES]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Minutes of work: these commands are parsed here, and run by tests of their own.
COSTLY = ("export", "live", "match", "demo", "plugins", "train", "ddsp", "style", "latent")
COSTLY_PARTS = ("train", "estimate", "evaluate", "predictability")  # of dspcore synth


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages speak of."""
    sound = 0.1 * torch.randn(1, 12_000)
    (tmp_path / "takes").mkdir()
    for name in ("in", "dry", "reference", "takes/one"):
        audio.write(tmp_path / f"{name}.wav", sound, 24_000)
    audio.write(tmp_path / "takes/two.wav", sound.flip(1), 24_000)  # no copy: data sets are split
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("desk", "native")
@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_what_the_page_shows_works(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    shared: dict[str, Any] = {}
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(2))
        if block[1] == "python":
            source = "\n" * line + block[2]  # so that a traceback names the line of the page
            exec(compile(source, str(page), "exec", dont_inherit=True), shared)
        else:
            run_console(block[2])


def run_console(block: str) -> None:
    """Runs or parses each command, and looks for the lines that the page shows beneath it."""
    for command, _, shown in (part.partition("\n") for part in block.split("$ ")[1:]):
        program, *words = shlex.split(command)
        if program == "make":
            assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            continue
        assert program == "dspcore"
        if words[0] in COSTLY or (words[0] == "synth" and words[1] in COSTLY_PARTS):
            parse(words)
            continue
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, f"{command}: {result.output}"
        for line in shown.splitlines():
            assert line.strip() in result.output, command


def parse(words: list[str]) -> None:
    """Raises a usage error on an unknown command, argument or option."""
    with click.Context(main) as context:
        name, command, rest = main.resolve_command(context, words)
        assert command is not None
        with command.make_context(name, list(rest), parent=context) as inner:
            if isinstance(command, click.Group):
                name, command, rest = command.resolve_command(inner, rest)
                assert command is not None
                command.make_context(name, rest, parent=inner)


def test_a_wrong_option_on_a_page_is_seen() -> None:
    with pytest.raises(click.UsageError, match="No such option"):
        parse(["match", "dry.wav", "reference.wav", "--chain", "a", "--out", "b", "--loud"])


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:csrc|dspcore|tests|bench)/[\w/]+\.\w+)`", page.read_text("utf-8"))
    there = [name for name in named if "NAME" not in name]
    assert [name for name in there if not (ROOT / name).is_file()] == []


def test_tables_say_what_the_declarations_say() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "__main__.py"))["pages"]()
    assert len(pages) == 3
    stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: make docs"


def test_every_op_has_a_function_in_the_table() -> None:
    functions = runpy.run_path(str(ROOT / "docs" / "__main__.py"))["functions"]()
    modules = {function.__module__ for function in functions.values()}
    missing = {entry.public.__module__ for entry in ops.RECORDS.values() if entry.public} - modules
    assert missing == set()
