"""Ready graphs, their presets, the command line around them, and their pictures."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.image
import pytest
import torch
from click.testing import CliRunner, Result

from dspcore import Chain, Graph, audio, graphs, load_preset, mix, send
from dspcore.cli import main
from dspcore.effects import Compressor, Gain, Panner
from dspcore.errors import UserError
from dspcore.graph.layout import laid_out
from dspcore.graph.picture import draw
from dspcore.preset import parse_preset, preset_text

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_a_vocal_is_heard_direct_and_from_echo_and_room() -> None:
    g = graphs.vocal(16_000)
    x = torch.randn(1, 1, 12_000, generator=torch.Generator().manual_seed(0)) / 20
    whole = g(x)
    assert whole.shape == (1, 2, 12_000)
    quiet = {name: -60.0 for name in g.param_names if ".from_" in name}
    direct = g.traced(x)["pan"][1]
    difference = (g(x, **quiet) - direct).abs().max()
    assert difference < 3e-3 * direct.abs().max()
    assert (whole - direct).abs().max() > 0.02 * direct.abs().max()
    stream = g.stream()
    blocks = [stream(block) for block in x.split(1_111, -1)]
    torch.testing.assert_close(torch.cat(blocks, -1), whole, atol=1e-5, rtol=0)
    # Bursts, or the gain never recovers; unlike settings, or lows and middle decay alike and the
    # crossover between them is not heard; a hold that ends between two samples.
    bursts = x[..., :8_000] * (1 + 9 * (torch.arange(8_000) % 4_000 < 1_000))
    p = 0.35 + 0.1 * torch.rand(1, g.num_params, generator=torch.Generator().manual_seed(1))
    p[0, g.param_names.index("comp.hold_ms")] = 0.1234
    p.requires_grad_()
    (gradient,) = torch.autograd.grad(g.normalized(bursts, p).square().mean(), p)
    sizes = gradient[0].abs()
    silent = [n for n, s in zip(g.param_names, sizes, strict=True) if s < 1e-9 * sizes.max()]
    assert silent == ["comp.averaging_ms"]  # of RMS detection alone


def test_the_echo_is_sent_to_the_room() -> None:
    nodes = graphs.vocal().nodes()
    assert nodes["room"].before() == ["comp", "echo"]
    assert nodes["output"].before() == ["pan", "echo", "room_eq"]


@pytest.mark.parametrize("name", graphs.READY)
@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_a_ready_graph_survives_a_preset_at_every_rate(name: str, rate: int) -> None:
    g = graphs.by_name(name)
    back = parse_preset(preset_text(g()), rate)
    assert back.sample_rate == rate
    assert back.values == pytest.approx(g(rate).values, rel=1e-8)
    assert back(torch.randn(1, 1, 64)).isfinite().all()


def test_an_unknown_graph_is_named() -> None:
    with pytest.raises(UserError, match="unknown graph 'vocla'; did you mean 'vocal'"):
        graphs.by_name("vocla")


def test_new_show_plot_and_render_a_graph() -> None:
    audio.write("in.wav", 0.1 * torch.randn(1, 3_000), 16_000)
    assert run("preset", "new", "--graph", "vocal", "-o", "v.toml").exit_code == 0
    assert isinstance(load_preset("v.toml"), Graph)
    shown = " ".join(run("preset", "show", "v.toml", "--plot", "v.png").output.split())
    assert "room reverb comp -15 dB + echo -12 dB room_eq" in shown
    assert "room.from_echo_db -12 dB -60 to 24 dB: Level of echo there." in shown
    assert "echo.mode ping_pong straight | ping_pong" in shown
    assert matplotlib.image.imread("v.png").shape[1] > 1_000
    facts = json.loads(run("preset", "show", "v.toml", "--json").output)
    nodes = {node["name"]: node for node in facts["node"]}
    assert nodes["room"]["from"][1] == {"source": "echo", "gain_db": -12.0, "fixed": False}
    assert nodes["eq"]["type"] == "parametric_eq2"
    done = run("render", "v.toml", "in.wav", "-o", "out.wav", "--tail", "0")
    assert done.exit_code == 0, done.output
    assert audio.read("out.wav")[0].shape == (2, 3_000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new",), "name the effects of a chain, or --graph"),
        (("new", "gain", "--graph", "vocal"), "name the effects of a chain, or --graph"),
        (("new", "--graph", "vocla"), "did you mean 'vocal'"),
        (("show", "c.toml", "--plot", "c.jpg"), "no picture format ends with '.jpg'"),
        (("show", "c.toml", "--plot", "none/c.png"), "the folder none does not exist"),
    ],
)
def test_a_mistake_is_one_message_and_no_file(arguments: tuple[str, ...], message: str) -> None:
    Path("c.toml").write_text(preset_text(Chain([Gain()])))
    done = run("preset", *arguments)
    assert done.exit_code != 0
    assert message in done.output
    assert "Traceback" not in done.output
    assert [path.name for path in Path().iterdir()] == ["c.toml"]


def test_show_says_further_inputs_and_a_chain_s_order() -> None:
    g = Graph()
    kick = g.add_input("kick")
    g.output = g.add(Compressor(), g.input, sidechain=send(kick, 3.0, fixed=True))
    Path("g.toml").write_text(preset_text(g))
    shown = run("preset", "show", "g.toml").output
    assert shown.startswith("further inputs: kick\n")
    assert "input; sidechain: kick +3 dB fixed" in shown
    Path("c.toml").write_text(preset_text(Chain([Gain(), Panner()])))
    assert run("preset", "show", "c.toml").output.startswith("input -> gain -> panner -> output\n")


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_chains_and_graphs_are_drawn(ending: str) -> None:
    draw(Chain([Gain(), Compressor()]), f"chain{ending}")
    draw(graphs.vocal(), f"graph{ending}")
    assert Path(f"graph{ending}").stat().st_size > Path(f"chain{ending}").stat().st_size > 1_000


def test_a_picture_names_every_node_and_level() -> None:
    draw(graphs.vocal(), "v.svg")
    drawn = Path("v.svg").read_text()
    for word in ("input", "parametric_eq2", "room_eq", "-15 dB", "-18 dB", "-12 dB", "output"):
        assert word in drawn


def test_boxes_stand_apart_in_layers_and_wires_pass_between_them() -> None:
    g = graphs.vocal()
    g.connect(send(g.input, -20.0), "output")
    g.output = mix(*(send(name, -3.0) for name in g.nodes()["output"].before()))
    layout = laid_out(g)
    places = list(layout.places.items())
    for i, (name, (layer, row)) in enumerate(places):
        for other, (other_layer, other_row) in places[:i]:
            assert layer != other_layer or abs(row - other_row) >= 1, (name, other)
    assert set(layout.nodes) == {"input", *g.nodes()}
    for way in layout.ways:
        stops = [layout.places[name][0] for name in (way.edge.source, *way.via, way.to)]
        assert stops == list(range(stops[0], stops[0] + len(stops)))
