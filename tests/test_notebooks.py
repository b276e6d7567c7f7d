"""The notebooks of examples/ run from their first cell to the last."""

from __future__ import annotations

import pathlib

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def test_all_are_found():
  assert [path.stem for path in NOTEBOOKS] == [
    "compare_readouts",
    "own_molecules",
    "pool_sets",
  ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_outputs(path):
  notebook = nbformat.read(path, as_version=4)
  nbformat.validate(notebook)
  for cell in notebook.cells:
    assert cell.get("outputs", []) == [], cell.source
    assert cell.get("execution_count") is None


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, monkeypatch):
  monkeypatch.setenv("PYTHONPATH", str(ROOT))
  notebook = nbformat.read(path, as_version=4)
  resources = {"metadata": {"path": str(ROOT)}}
  client = NotebookClient(notebook, timeout=600, resources=resources)
  client.execute()
  ran = [c for c in notebook.cells if c.cell_type == "code"]
  assert all(cell.execution_count for cell in ran)
