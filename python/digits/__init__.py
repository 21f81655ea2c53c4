"""Spoken digits: one model says any string of them, and a listener of other voices judges it."""
