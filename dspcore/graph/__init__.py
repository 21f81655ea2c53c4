"""Effects wired freely: series, parallel paths, sends and returns, side-chains."""

from dspcore.graph.graph import Graph
from dspcore.graph.wires import Edge, Mix, Node, Send, mix, send

__all__ = ["Edge", "Graph", "Mix", "Node", "Send", "mix", "send"]
