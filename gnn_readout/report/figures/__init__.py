"""Figures: each function draws what it is given.

They import `results`, and no section.
"""
