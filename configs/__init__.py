"""Configs: one file per dataset or task, with its variants and sweeps.

Each file has `get_config(variant)`, and may have sweeps, which are functions
that yield overrides. They import `ml_collections` and each other, and nothing
that takes long.
"""
