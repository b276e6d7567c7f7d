"""The version is the same wherever it is written."""

from __future__ import annotations

import pathlib
import re

import gnn_readout

ROOT = pathlib.Path(__file__).parents[1]


def test_version():
  citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
  (cited,) = re.findall(r"^version: (\S+)$", citation, re.M)
  changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
  newest = re.search(r"^## (\S+)", changes, re.M)[1]
  assert cited == newest == gnn_readout.__version__
