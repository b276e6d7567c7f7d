"""Which of the training loops a configuration is for."""

from __future__ import annotations

import os
from typing import Any

from ml_collections import ConfigDict

from gnn_readout.training import loop, population_run, task_loop

# The first one whose condition a configuration meets trains it.
TRAINERS = (
  (lambda config: "task" in config, task_loop.train),
  (lambda config: config.get("population", ""), population_run.train),
  (lambda config: True, loop.train),
)


def train(
  config: ConfigDict,
  workdir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  command: str = "",
) -> Any:
  """Trains what a configuration describes, by the loop that it is for.

  Args:
    config: With a `task`, as `configs/median.py` makes it, or of a dataset of
      graphs, as `configs/molpcba.py` does.
    workdir: The folder of the run.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    command: What to type to repeat the run, for the record.

  Returns:
    What the loop returns; None if a signal stopped the run.
  """
  for is_for, trainer in TRAINERS:
    if is_for(config):
      return trainer(config, workdir, data_dir, cache_dir, command)
  raise AssertionError("the last condition is always met")
