"""Tests and intervals on plain arrays.

They import `metrics` alone.
"""
