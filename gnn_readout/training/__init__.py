"""How problems are learned: the one trainer, what it is made of, what calls it;
imports all of the package but `sweeps`, `cli` and `report`.
"""
