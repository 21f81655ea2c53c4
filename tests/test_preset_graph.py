"""Graphs as presets: read back as written, and every mistake named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dspcore import Chain, Graph, load_preset, mix, save_preset, send
from dspcore.effects import Compressor, Gain, Panner, Reverb
from dspcore.errors import UserError
from dspcore.preset import parse_preset, preset_text


def graph(rate: int = 44_100) -> Graph:
    g = Graph(rate)
    kick = g.add_input("kick")
    trim = g.add(Gain(rate, gain_db=-6.5), g.input, name="trim")
    comp = g.add(Compressor(rate), trim, sidechain=send(kick, 3.0))
    verb = g.add(Reverb(rate, size="large", mix=1.0), mix(send(trim, -12.0), comp), name="verb")
    g.output = mix(comp, send(verb, -100 / 7), send(trim, -20.0, fixed=True))
    return g


def test_a_saved_graph_comes_back(tmp_path: Path, native: None) -> None:
    del native
    g = graph()
    save_preset(g, tmp_path / "g.toml", comment="A room beside it.")
    text = (tmp_path / "g.toml").read_text()
    assert text.startswith("# A room beside it.\ndspcore = 2 #")
    assert 'inputs = ["kick"] #' in text
    assert 'name = "trim"\nfrom = ["input"] # what it hears' in text
    assert 'from = [{node = "trim", gain_db = -12.0}, "compressor"]' in text
    assert 'sidechain = [{node = "kick", gain_db = 3.0}] #' in text
    assert 'size = "large" # small | medium | large' in text
    back = load_preset(tmp_path / "g.toml")
    assert isinstance(back, Graph)
    assert back.inputs == ("kick",)
    assert back.sample_rate == 44_100
    assert list(back.nodes()) == list(g.nodes())
    assert back.values == pytest.approx(g.values, rel=1e-8)
    assert preset_text(back, sample_rate=44_100) == preset_text(g, sample_rate=44_100)
    x, k = torch.randn(1, 2, 500), torch.randn(1, 1, 500)
    torch.testing.assert_close(back(x, kick=k), g(x, kick=k))
    assert load_preset(tmp_path / "g.toml", 96_000).sample_rate == 96_000


def test_nodes_may_stand_in_any_order_and_wires_be_names() -> None:
    text = """
        dspcore = 2
        output = "b"
        [[node]]
        name = "b"
        type = "gain"
        from = { node = "a", gain_db = -20 }
        [[node]]
        name = "a"
        type = "compressor"
        from = "input"
        sidechain = "input"
    """
    g = parse_preset(text)
    assert isinstance(g, Graph)
    assert g.effect_names == ["a", "b"]
    assert g.values["b.from_a_db"] == -20.0


def test_a_chain_stays_as_it_was() -> None:
    text = preset_text(Chain([Gain(gain_db=-3.0), Panner()]))
    assert text.startswith("dspcore = 1 #")
    assert isinstance(parse_preset(text), Chain)
    assert isinstance(parse_preset(text.replace("dspcore = 1", "dspcore = 2")), Chain)


def test_a_renamed_parameter_is_read_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gain, "renamed", {"level_db": "gain_db"})
    text = 'dspcore = 1\n[[effect]]\ntype = "gain"\nlevel_db = -3'
    with pytest.warns(UserWarning, match=r"effect 1 \(gain\): 'level_db' is now called 'gain_db'"):
        assert parse_preset(text).values == {"gain.gain_db": -3.0}
    with pytest.raises(UserError, match="'level_db' is the old name of 'gain_db'; give only one"):
        parse_preset(text + "\ngain_db = -4")


HEAD = 'dspcore = 2\noutput = ["a"]\n'
NODE = '[[node]]\nname = "a"\ntype = "gain"\nfrom = ["input"]\n'
OTHER = '[[node]]\nname = "b"\ntype = "gain"\nfrom = ["a"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dspcore = 1\n" + NODE, "has nodes of a graph: begin it with 'dspcore = 2'"),
        ("dspcore = 2\n" + NODE, r'the line output = \["..."\] is missing'),
        (HEAD, r"has no nodes; each begins with a line \[\[node\]\]"),
        ("dspcore = 2", "has no effects"),
        (HEAD + NODE + '[[effect]]\ntype = "gain"', "a graph has nodes only"),
        (HEAD + "[node]\nname = 'a'", r"written as \[\[node\]\]"),
        (HEAD + "[[nod]]", "unknown key 'nod'; did you mean 'node'"),
        (HEAD.replace('"a"', '"c"') + NODE, "unknown node 'c'; known: input, output, a"),
        (HEAD.replace('"a"', '"inptu"') + NODE, "unknown node 'inptu'; did you mean 'input'"),
        ('dspcore = 2\noutput = []\n' + NODE, "output: the list is empty"),
        ('dspcore = 2\noutput = ["a", "a"]\n' + NODE, "output hears a twice"),
        (HEAD + NODE.replace('name = "a"\n', ""), 'node 1: a line like name = "eq" is missing'),
        (HEAD + NODE.replace('from = ["input"]\n', ""), r'a line like from = \["input"\]'),
        (HEAD + NODE + NODE, "node 2: the name 'a' is taken"),
        (HEAD + NODE.replace('"a"', '"input"'), "the name 'input' is taken"),
        (HEAD + NODE.replace('"a"', '"a.b"'), "must be a letter, then letters"),
        (HEAD + NODE.replace('"gain"', '"gian"'), "node 'a': unknown effect 'gian'; did you mean"),
        (HEAD + NODE + "gian_db = 1", r"node 'a' \(gain\): unknown key 'gian_db'; did you mean"),
        (HEAD + NODE + "form = 'b'", r"node 'a' \(gain\): unknown key 'form'; did you mean 'from'"),
        (HEAD + NODE + "sidechain = 'b'", r"node 'a' \(gain\): unknown key 'sidechain'"),
        (HEAD + NODE + "gain_db = 99", r"node 'a' \(gain\): gain_db must be -60 to 36 dB, got 99"),
        (HEAD + NODE.replace('["input"]', "3"), r"node 'a': from: wants names of nodes or"),
        (HEAD + NODE.replace('["input"]', "{ gain_db = 3 }"), r"node 'a': from: wants names of"),
        (HEAD + NODE.replace('"input"', '{ node = "input", gain = 3 }'), "did you mean 'gain_db'"),
        (HEAD + NODE.replace('"input"', '{ node = "input", gain_db = 99 }'), "-60 to 24 dB, got"),
        (HEAD + NODE.replace('"input"', '{ node = "input", gain_db = "a" }'), "a number of dB"),
        (HEAD + NODE.replace('"input"', '{ node = "input", fixed = 1 }'), "must be true or false"),
        (HEAD + NODE.replace('"input"', '"b"') + OTHER, "a -> b -> a is a cycle"),
        (HEAD + NODE + OTHER, "nothing hears b; send it to another node"),
        (HEAD + NODE + OTHER.replace('["a"]', '["aa"]'), "b hears an unknown node 'aa'"),
        ("inputs = 3\n" + HEAD + NODE, "'inputs' must be a list of names"),
        ("inputs = ['a b']\n" + HEAD + NODE, "must be a letter, then letters"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "g.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_preset(path)
    assert str(caught.value).startswith(f"{path}: ")
