"""Passes over a Graph: each takes one and gives one with the same outputs, bit for bit, that costs less."""
