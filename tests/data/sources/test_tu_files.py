"""Archives of the TU collection that are missing, damaged or hostile."""

from __future__ import annotations

import zipfile

import pytest

from gnn_readout import data
from gnn_readout.data.sources import archives
from tests.data.sources.test_tu import FILES, read


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_named(tmp_path, method):
  (tmp_path / "tu").mkdir()
  path = tmp_path / "tu/T.zip"
  with zipfile.ZipFile(path, "w", method) as archive:
    for name, text in FILES.items():
      archive.writestr(f"T/T_{name}.txt", text)
    place = archive.getinfo("T/T_node_labels.txt").header_offset
  body = bytearray(path.read_bytes())
  start = place + 30 + len("T/T_node_labels.txt")
  for i in range(start, start + 30):
    body[i] ^= 0x55
  path.write_bytes(body)
  with pytest.raises(ValueError, match=r"T\.zip/T/T_node_labels\.txt: .*corr"):
    read(tmp_path)


def test_a_renamed_member_is_not_missed(tmp_path):
  labels = "".join(f"{label}\n" for label in range(14))
  (tmp_path / "tu").mkdir()
  path = tmp_path / "tu/T.zip"
  with zipfile.ZipFile(path, "w") as archive:
    for name, text in {**FILES, "edge_labels": labels}.items():
      archive.writestr(f"T/T_{name}.txt", text)
  assert read(tmp_path).schema.edge_sizes == (14,)
  body = path.read_bytes()
  last = body.rindex(b"T_edge_labels")
  path.write_bytes(body[:last] + b"T_edge_lobels" + body[last + 13 :])
  with pytest.raises(ValueError, match="T_edge_lobels"):
    read(tmp_path)


def test_a_missing_dataset_says_how_to_get_it(tmp_path):
  with pytest.raises(FileNotFoundError) as error:
    data.load("tu/MUTAH", tmp_path, tmp_path)
  message = str(error.value)
  assert message.startswith(f"{tmp_path}/tu/MUTAH.zip: no such file.")
  assert "Did you mean 'MUTAG'" in message
  assert "python -m launch.download --dataset=tu/MUTAH" in message


def hostile(name, text="evil"):
  return {f"T/T_{k}.txt": v for k, v in FILES.items()} | {name: text}


@pytest.mark.parametrize(
  ("members", "words"),
  [
    (hostile("/tmp/evil"), "'/tmp/evil' in it lies outside its folder"),
    (hostile("../evil"), "'../evil' in it lies outside its folder"),
    (hostile("T/../../evil"), "lies outside its folder"),
    ({"U/U_A.txt": ""}, "no folder 'T' but U"),
    ({}, "no folder 'T' but nothing"),
  ],
)
def test_a_zip_that_is_not_to_be_trusted(tmp_path, members, words):
  (tmp_path / "tu").mkdir()
  path = tmp_path / "tu/T.zip"
  with zipfile.ZipFile(path, "w") as archive:
    for name, text in members.items():
      archive.writestr(name, text)
  with pytest.raises(ValueError, match=words) as error:
    read(tmp_path)
  assert str(error.value).startswith(str(path))


def test_a_zip_that_would_unpack_to_too_much(tmp_path, monkeypatch):
  (tmp_path / "tu").mkdir()
  path = tmp_path / "tu/T.zip"
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, text in hostile("T/zeros", "0" * 1_000_003).items():
      archive.writestr(name, text)
  assert read(tmp_path).num_graphs == 5
  open_folder = archives.open_folder
  monkeypatch.setattr(
    archives, "open_folder", lambda *args: open_folder(*args, 1_000_003)
  )
  with pytest.raises(ValueError, match=r"T\.zip would unpack to 1,000,"):
    read(tmp_path)
