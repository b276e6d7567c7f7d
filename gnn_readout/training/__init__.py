"""How problems are learned: the one trainer, its parts and its callers.

It imports all of the package but `sweeps`, `cli` and `report`.
"""
