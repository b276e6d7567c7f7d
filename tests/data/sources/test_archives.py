"""Zips that cannot be trusted, or are damaged, are refused with the member."""

from __future__ import annotations

import random
import warnings
import zipfile

import pytest

from gnn_readout.data.sources import archives, csv_numbers

KINDS = {
  "stored": zipfile.ZIP_STORED,
  "deflate": zipfile.ZIP_DEFLATED,
  "bzip2": zipfile.ZIP_BZIP2,
  "lzma": zipfile.ZIP_LZMA,
}


def _write(path, kind):
  rng = random.Random(5)
  with zipfile.ZipFile(path, "w", KINDS[kind]) as archive:
    for name in ("A", "B", "C"):
      text = "".join(f"{rng.randrange(10**6)}\n" for _ in range(900))
      archive.writestr(f"X/X_{name}.txt", text)
    places = [info.header_offset for info in archive.infolist()]
  return places


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_member_is_named(tmp_path, kind):
  path = tmp_path / "X.zip"
  _, start, end = _write(path, kind)
  archives.check(path, "X", 1e9)
  data = bytearray(path.read_bytes())
  middle = (start + end) // 2
  data[middle : middle + 60] = bytes(60)
  path.write_bytes(data)
  with pytest.raises(ValueError, match=rf"{path} is not .* \(X/X_B\.txt: "):
    archives.check(path, "X", 1e9)
  folder = archives.open_folder(path, "X")
  for name, count in (("A", 900), ("C", 900)):
    table = csv_numbers.read_integers(folder / f"X_{name}.txt", 1)
    assert len(table) == count
  with pytest.raises(ValueError, match=r"X_B\.txt: (truncated or )?corrupt"):
    csv_numbers.read_integers(folder / "X_B.txt", 1)


def test_two_members_of_one_name(tmp_path):
  path = tmp_path / "X.zip"
  with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
    warnings.simplefilter("ignore")
    for text in ("1", "2"):
      archive.writestr("X/X_A.txt", text)
  with pytest.raises(
    ValueError, match=r"is refused: it holds 'X/X_A\.txt' twice"
  ):
    archives.open_folder(path, "X")


@pytest.mark.parametrize("which", ["directory", "own"])
def test_a_member_with_two_names(tmp_path, which):
  path = tmp_path / "X.zip"
  _write(path, "deflate")
  places = path.read_bytes().split(b"X_B.txt")  # Its own is the first.
  assert len(places) == 3
  names = [b"X_B.txt", b"X_b.txt"]
  if which == "own":
    names.reverse()
  first, second = names
  path.write_bytes(places[0] + first + places[1] + second + places[2])
  with pytest.raises(ValueError, match="X_[Bb].txt: File name in directory"):
    archives.open_folder(path, "X")
