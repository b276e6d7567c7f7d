"""Omniglot: handwritten characters of many alphabets, 20 drawings of each.

A zip of its distribution lies in `data_dir/omniglot/FOLDER.zip` and holds
FOLDER/ALPHABET/CHARACTER/NAME.png, 105x105 pixels, black on white. It is read
as it is, without unpacking.

Letters: C characters, K = 20 drawings of each.
Reference: Lake et al. 2015, "Human-level concept learning through
probabilistic program induction", https://github.com/brendenlake/omniglot.
"""

from __future__ import annotations

import hashlib
import io
import os
import pathlib
import zipfile
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from gnn_readout.data.folders import cache_folder, data_folder
from gnn_readout.data.sources import archives
from gnn_readout.data.sources.base import Archive, check_present
from gnn_readout.errors import suggest
from gnn_readout.files import atomic_write_bytes
from gnn_readout.wording import counted

# The zip to train on, and the one whose other alphabets are tested on.
DATASETS = {
  "omniglot": ("images_background", "images_evaluation"),
  "omniglot-small": ("images_background_small1", "images_background_small2"),
}

_URL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"

NUM_DRAWINGS = 20
_ORIGINAL, _SIZE = 105, 32  # Pixels, height and width.
_VALID = 10  # One character of so many is kept out of training.
_VERSION = b"1"  # Of what the cache holds.
# What a file can be wrong with that was a cache once.
_DAMAGE = (
  OSError, EOFError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile,
  zlib.error,
)  # fmt: skip


class Drawings(NamedTuple):
  """Characters in alphabetical order, alphabet by alphabet.

  Attributes:
    images: [C, K, 32, 32] uint8, ink in 255ths: 0 background, 255 all ink.
    alphabets: [C] text, the alphabet of each character.
    names: [C] text, its name within the alphabet, such as `'character01'`.
  """

  images: np.ndarray
  alphabets: np.ndarray
  names: np.ndarray


def load(
  dataset: str,
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Drawings]:
  """Reads the characters to train on, to choose by and to test on.

  No character is in two of the parts, and no alphabet in 'test' and another.
  'test' has the alphabets of the second zip that the first one has not; the
  two small zips share Greek and Latin. 'valid' is a tenth of the characters of
  the first zip, always the same ones, and 'train' all others.

  Differs from the paper: it takes "a small subset of the training set" for
  validation, and does not say how small or of what.

  Args:
    dataset: A name of `DATASETS`: `'omniglot'`, the background and evaluation
      sets (964 and 659 characters), or `'omniglot-small'`, the two small
      background sets (136 characters, and 106 of other alphabets).
    data_dir: The folder that holds `omniglot/`; see `folders.data_folder`.
    cache_dir: Where decoded images lie; see `folders.cache_folder`.

  Returns:
    Drawings by the name of the part.

  Raises:
    FileNotFoundError: A zip is not there; the message says how to get it.
    ValueError: The dataset is unknown or a zip is damaged.
  """
  if dataset not in DATASETS:
    raise ValueError(
      f"unknown dataset {dataset!r}.{suggest(dataset, DATASETS)}"
    )
  paths = zip_files(dataset, data_folder(data_dir))
  own, other = (_cached(path, cache_folder(cache_dir)) for path in paths)
  count = len(own.images)
  order = np.random.default_rng(0).permutation(count)
  is_valid = np.isin(np.arange(count), order[: round(count / _VALID)])  # [C]
  is_new = ~np.isin(other.alphabets, own.alphabets)
  return {
    "train": _select(own, ~is_valid),
    "valid": _select(own, is_valid),
    "test": _select(other, is_new),
  }


def zip_files(
  dataset: str, data_dir: str | os.PathLike[str]
) -> list[pathlib.Path]:
  """Returns the zip to train on and the one to test on.

  Raises:
    FileNotFoundError: One is not there; the message says how to get it.
  """
  folder = pathlib.Path(data_dir) / "omniglot"
  paths = [folder / f"{name}.zip" for name in DATASETS[dataset]]
  check_present(paths, dataset, data_dir)
  return paths


def archive_of(dataset: str) -> Archive:
  """Returns what a dataset of `DATASETS` is fetched as."""
  urls = tuple(f"{_URL}/{name}.zip" for name in DATASETS[dataset])
  return Archive(urls, "omniglot")


def read_zip(path: str | os.PathLike[str]) -> Drawings:
  """Decodes one zip of the distribution.

  An image is resized to 32x32: every pixel is the mean of the 3 or 4 rows and
  columns of the original nearest to it (Pillow's BOX), rounded to 8 bits.

  Differs from the paper: it does not say how images are "downsized".

  Args:
    path: FOLDER.zip, which holds FOLDER/ALPHABET/CHARACTER/NAME.png.

  Raises:
    ValueError: The zip is broken or not to be trusted, a member is no drawing
      of 105x105 pixels, or a character has not 20 drawings; the message names
      the member.
  """
  path = pathlib.Path(path)
  with archives.damage_named(path), zipfile.ZipFile(path) as archive:
    members = archives.members(archive, path, path.stem, archives.MAX_UNPACKED)
    characters = _by_character(path, members)
    images = [
      [
        _decode(archives.read(archive, path, info), f"{path}: {info.filename}")
        for info in infos
      ]
      for infos in characters.values()
    ]
  alphabets, names = zip(*characters, strict=True)
  return Drawings(np.array(images), np.array(alphabets), np.array(names))


def _by_character(
  path: pathlib.Path, members: Sequence[zipfile.ZipInfo]
) -> dict[tuple[str, str], list[zipfile.ZipInfo]]:
  """Returns the drawings of each (alphabet, character), all in order."""
  characters = {}
  for info in sorted(members, key=lambda info: info.filename):
    folder, *key, name = info.filename.split("/")
    if info.is_dir() or name.startswith("."):
      continue
    if len(key) != 2 or not name.endswith(".png"):
      raise ValueError(
        f"{path}: {info.filename} is not a drawing: expected"
        f" {folder}/ALPHABET/CHARACTER/NAME.png."
      )
    characters.setdefault(tuple(key), []).append(info)
  if not characters:
    raise ValueError(f"{path}: there is no drawing in {path.stem}/.")
  for (alphabet, name), infos in characters.items():
    if len(infos) != NUM_DRAWINGS:
      raise ValueError(
        f"{path}: {path.stem}/{alphabet}/{name} has"
        f" {counted(len(infos), 'drawing')}, expected {NUM_DRAWINGS}."
      )
  return characters


def _decode(data: bytes, where: str) -> np.ndarray:
  """Returns the ink of an image, [32, 32] uint8."""
  from PIL import Image

  try:
    image = Image.open(io.BytesIO(data), formats=["PNG"])
    if image.size == (_ORIGINAL, _ORIGINAL):
      image.load()
  except Exception as error:  # Pillow's are of many kinds.
    raise ValueError(f"{where} is not a complete PNG image.") from error
  if image.size != (_ORIGINAL, _ORIGINAL):
    width, height = image.size
    raise ValueError(
      f"{where} has {width}x{height} pixels, expected {_ORIGINAL}x{_ORIGINAL}."
    )
  small = image.convert("L").resize((_SIZE, _SIZE), Image.Resampling.BOX)
  return 255 - np.asarray(small)


def _select(drawings: Drawings, chosen: np.ndarray) -> Drawings:
  """Returns the characters for which `chosen` [C] is true."""
  return Drawings(*(column[chosen] for column in drawings))


def _cached(path: pathlib.Path, cache_dir: pathlib.Path) -> Drawings:
  """Returns the drawings of a zip, decoded the first time its bytes are met."""
  digest = hashlib.sha256(_VERSION + path.read_bytes()).hexdigest()[:16]
  file = cache_dir / f"omniglot-{path.stem}-{digest}.npz"
  try:
    with np.load(file, allow_pickle=False) as columns:
      return Drawings(**columns)
  except FileNotFoundError:
    pass
  except _DAMAGE as error:
    logging.warning("Building the cache %s again: %s", file, error)
  drawings = read_zip(path)
  buffer = io.BytesIO()
  np.savez(buffer, **drawings._asdict())
  try:
    atomic_write_bytes(file, buffer.getvalue())
  except OSError as error:
    logging.warning("Cannot write the cache %s: %s", file, error.strerror)
  return drawings
