"""Significance tests and confidence intervals on plain arrays.

They import `metrics` and `confusion`.
"""
