"""Whether what a folder holds was made from the data that are there now."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Sequence

from ml_collections import ConfigDict

from gnn_readout import tasks
from gnn_readout.data import identity
from gnn_readout.runs import settings

REMEDY = "Restore the dataset, or choose another --workdir"


def facts_now(
  configs: Sequence[ConfigDict],
  whose: str,
  data_dir: str | os.PathLike[str] | None,
  cache_dir: str | os.PathLike[str] | None,
) -> Sequence[identity.Facts | None] | None:
  """Returns what identifies the datasets of finished runs today.

  Args:
    configs: The config of each run.
    whose: What the datasets belong to, in the words of a message.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.

  Returns:
    The facts of each dataset, None where examples are drawn. Nothing at all if
    a dataset is missing, of which a line is printed: what is finished does not
    need it any more.

  Raises:
    ValueError: If a dataset is unknown or damaged.
  """
  try:
    return tasks.dataset_facts(configs, data_dir, cache_dir)
  except FileNotFoundError as error:
    print(f"the dataset of {whose} is missing and cannot be compared: {error}")
    return None


def check_records(
  records: Iterable[tuple[pathlib.Path, identity.Facts | None]],
) -> None:
  """Refuses records of other data than are there now.

  Args:
    records: The file of each record, and the facts of its dataset today.

  Raises:
    ValueError: If a record is of other data, or damaged; the message names its
      file.
  """
  for path, here in records:
    there = settings.read_json(path).get("dataset")
    identity.check(str(path), there, here, REMEDY)
