"""What makes the pages of docs/ that are generated, and their figures.

mkdocs calls `hooks.py`; everything else is plain functions from the classes and
records of the repository to text. Nothing here is part of the package.
"""
