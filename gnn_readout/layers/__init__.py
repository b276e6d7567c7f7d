"""Modules that several readouts and networks are built of.

They import the mathematics on sets alone: `graphs`, `segments` and so on.
"""
