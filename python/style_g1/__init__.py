"""Report G1: six effects to learn from, three held out; see README.md."""
