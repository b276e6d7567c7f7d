"""Figures: each function draws what it is given; they import `results`, never a
section.
"""
