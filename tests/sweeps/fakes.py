"""Runs of a sweep, and the files that they would leave."""

from __future__ import annotations

import json

from configs import molpcba
from gnn_readout.runs import settings
from gnn_readout.sweeps.run_spec import RunSpec


def run(**fields):
  """Returns the run `one`, with some fields changed."""
  config = molpcba.get_config("gcn,sum").unlock()
  config.population = ""
  config.update_from_flattened_dict(fields)
  return RunSpec("one", ["--config=configs/molpcba.py:gcn,sum"], config)


def record(spec, **changes):
  """Returns the text of the record of a run, with some facts changed."""
  config = settings.as_json(spec.config)
  facts = {"schema_version": 1, "name": "one", "config": config}
  facts |= {"config_hash": settings.config_hash(config), "test": {"value": 1}}
  return json.dumps(facts | changes)


def write(path, text):
  """Writes a file below folders that need not exist."""
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)
  return path
