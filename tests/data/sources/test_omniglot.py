"""Omniglot's zips: decoded, split, cached, and refused when damaged."""

from __future__ import annotations

import collections
import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from gnn_readout.data.sources import omniglot

FOLDERS = omniglot.DATASETS["omniglot-small"]


def png(ink):
  """The file of a picture, [height, width] bool, black on white."""
  buffer = io.BytesIO()
  Image.fromarray(~np.asarray(ink)).save(buffer, "PNG")
  return buffer.getvalue()


def pictures(num, seed=0):
  return np.random.default_rng(seed).random((num, 105, 105)) < 0.3


def write_zip(path, members):
  path.parent.mkdir(parents=True, exist_ok=True)
  with zipfile.ZipFile(path, "w") as archive:
    for name, data in members.items():
      archive.writestr(name, data)
  return path


def members(folder, **alphabets):
  """All drawings of a character are alike, those of two are not."""
  total = sum(alphabets.values())
  drawings = iter(pictures(total, seed=len(alphabets)))
  return {
    f"{folder}/{alphabet}/character{c + 1:02d}/{d:04d}_{c:02d}.png": drawing
    for alphabet, count in alphabets.items()
    for c, drawing in enumerate(png(next(drawings)) for _ in range(count))
    for d in range(20)
  }


@pytest.fixture
def root(tmp_path):
  """A data folder: 13 characters, 5 more, 2 of them of a known alphabet."""
  first, second = FOLDERS
  folder = tmp_path / "data/omniglot"
  write_zip(folder / f"{first}.zip", members(first, Greek=7, Korean=6))
  write_zip(folder / f"{second}.zip", members(second, Greek=2, Tagalog=3))
  return folder.parent


@pytest.fixture
def calls(monkeypatch):
  """The names of the zips that are decoded."""
  calls, read = [], omniglot.read_zip

  def counting(path):
    calls.append(path.stem)
    return read(path)

  monkeypatch.setattr(omniglot, "read_zip", counting)
  return calls


def test_pixels_are_means_of_ink(tmp_path):
  inks = pictures(20)
  inks[3], inks[5] = True, False
  files = {"F/Greek/character01/0001_01.png": png(inks[0])}
  files |= {
    f"F/Greek/character01/0001_{d + 1:02d}.png": png(inks[d])
    for d in reversed(range(1, 20))
  }
  files |= {"F/": b"", "F/Greek/.DS_Store": b"?", "__MACOSX/F/x.png": b"?"}
  drawings = omniglot.read_zip(write_zip(tmp_path / "F.zip", files))
  assert drawings.images.shape == (1, 20, 32, 32)
  assert drawings.images.dtype == np.uint8
  assert drawings.alphabets == ["Greek"] and drawings.names == ["character01"]
  # The new row in which the middle of an old one lies; on an edge, the first.
  cell = np.ceil((np.arange(105) + 0.5) * 32 / 105) - 1
  share = (np.arange(32)[:, None] == cell).astype(float)
  share /= share.sum(axis=1, keepdims=True)  # [32, 105]
  expected = share @ inks @ share.T  # [20, 32, 32]
  np.testing.assert_allclose(
    drawings.images[0] / 255, expected, atol=1.01 / 255
  )
  assert (drawings.images[0, 3] == 255).all()
  assert (drawings.images[0, 5] == 0).all()


def test_the_parts(root, tmp_path):
  parts = omniglot.load("omniglot-small", root, tmp_path / "cache")
  assert {name: len(part.images) for name, part in parts.items()} == {
    "train": 12,
    "valid": 1,
    "test": 3,
  }
  seen = [
    (alphabet, name)
    for part in parts.values()
    for alphabet, name in zip(part.alphabets, part.names)
  ]
  assert len(set(seen)) == 16
  assert set(parts["test"].alphabets) == {"Tagalog"}
  # Images go with their names.
  whole = omniglot.read_zip(root / f"omniglot/{FOLDERS[0]}.zip")
  names = list(zip(whole.alphabets, whole.names))
  assert names == sorted(names)
  for part in ("train", "valid"):
    for image, *key in zip(*parts[part]):
      at = names.index(tuple(key))
      np.testing.assert_array_equal(image, whole.images[at])


def test_zips_are_decoded_once(root, tmp_path, calls):
  first, second = FOLDERS
  cache = tmp_path / "cache"
  before = omniglot.load("omniglot-small", root, cache)
  assert calls == [first, second]
  again = omniglot.load("omniglot-small", root, cache)
  assert calls == [first, second]
  np.testing.assert_array_equal(before["train"].images, again["train"].images)
  assert (before["test"].names == again["test"].names).all()

  path = root / f"omniglot/{second}.zip"
  write_zip(path, members(second, Sanskrit=1))
  changed = omniglot.load("omniglot-small", root, cache)
  assert calls == [first, second, second]
  assert set(changed["test"].alphabets) == {"Sanskrit"}


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped"])
def test_a_damaged_cache_is_made_again(root, tmp_path, calls, damage):
  before = omniglot.load("omniglot-small", root, tmp_path / "cache")
  (file,) = (tmp_path / "cache").glob(f"*{FOLDERS[0]}*")
  body = file.read_bytes()
  flipped = bytearray(body)
  flipped[len(body) // 2] ^= 1
  new = {"cut": body[:-99], "empty": b"", "text": b"text", "flipped": flipped}
  file.write_bytes(new[damage])
  after = omniglot.load("omniglot-small", root, tmp_path / "cache")
  assert collections.Counter(calls)[FOLDERS[0]] == 2
  np.testing.assert_array_equal(before["train"].images, after["train"].images)
  assert file.read_bytes() == body


def test_a_cache_that_cannot_be_written_is_done_without(root, tmp_path):
  (tmp_path / "cache").write_text("a file")
  parts = omniglot.load("omniglot-small", root, tmp_path / "cache")
  assert len(parts["train"].images) == 12


ONE = members("F", Greek=1)
LAST = "F/Greek/character01/0019_00.png"
BLANK = np.zeros((105, 105), bool)


@pytest.mark.parametrize(
  ("change", "words"),
  [
    ({LAST: b"text"}, f"{LAST} is not a complete PNG image"),
    ({LAST: b""}, f"{LAST} is not a complete PNG image"),
    ({LAST: ONE[LAST][:-300]}, f"{LAST} is not a complete PNG image"),
    ({LAST: png(BLANK[:101])}, f"{LAST} has 105x101 pixels, expected 105x105"),
    ({LAST: None}, "F/Greek/character01 has 19 drawings, expected 20"),
    (
      {"F/Greek/character01/21.png": png(BLANK)},
      "F/Greek/character01 has 21 drawings, expected 20",
    ),
    (
      {"F/Greek/a.png": b""},
      "F/Greek/a.png is not a drawing: expected F/ALPHABET",
    ),
    ({"F/Greek/character01/a.txt": b""}, "a.txt is not a drawing"),
    (dict.fromkeys(ONE) | {"F/": b""}, "there is no drawing in F/"),
    (dict.fromkeys(ONE), "holds no folder 'F' but nothing"),
    ({"../evil.png": b""}, "lies outside its folder"),
  ],
)
def test_a_damaged_zip_names_the_member(tmp_path, change, words):
  files = {k: v for k, v in (ONE | change).items() if v is not None}
  path = write_zip(tmp_path / "F.zip", files)
  with pytest.raises(ValueError, match=re.escape(words)) as error:
    omniglot.read_zip(path)
  assert str(error.value).startswith(str(path))


def test_a_broken_zip_is_named(tmp_path):
  path = write_zip(tmp_path / "F.zip", ONE)
  path.write_bytes(path.read_bytes()[:-101])
  with pytest.raises(ValueError, match="F.zip is not a complete, readable zip"):
    omniglot.read_zip(path)


def test_a_missing_zip_says_how_to_get_it(root, tmp_path):
  path = root / f"omniglot/{FOLDERS[1]}.zip"
  path.unlink()
  words = f"{path}: no such file. .* --dataset=omniglot-small --data_dir={root}"
  with pytest.raises(FileNotFoundError, match=words):
    omniglot.load("omniglot-small", root, tmp_path)


def test_an_unknown_dataset_is_named(tmp_path):
  with pytest.raises(ValueError, match="Did you mean 'omniglot-small'"):
    omniglot.load("omniglot_small", tmp_path, tmp_path)


def test_the_real_zips(data_dir, tmp_path):
  parts = omniglot.load("omniglot-small", data_dir, tmp_path)
  own = np.concatenate([parts["train"].alphabets, parts["valid"].alphabets])
  # As on the authors' page.
  assert collections.Counter(own) == {
    "Balinese": 24,
    "Early_Aramaic": 22,
    "Greek": 24,
    "Korean": 40,
    "Latin": 26,
  }
  assert collections.Counter(parts["test"].alphabets) == {
    "Japanese_(katakana)": 47,
    "Sanskrit": 42,
    "Tagalog": 17,
  }
  assert len(parts["valid"].images) == 14
  for part in parts.values():
    # Thin strokes on an empty page.
    assert 0.03 < part.images.mean() / 255 < 0.15
    assert (part.images.max(axis=(2, 3)) > 127).all()
