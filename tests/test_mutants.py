"""Files that were changed at random are refused in one line, or read right.

A literal reader of each format, plain loops without numpy or Arrow, says what a
mutant holds. What the program makes of it must be that, or one line that
refuses it: no other exception, no hang, nothing written elsewhere. With `-s` a
table of figures is printed.
"""

from __future__ import annotations

import collections
import contextlib
import csv
import gzip
import io
import json
import math
import pathlib
import random
import re
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from configs import molpcba
from gnn_readout import paths, records
from gnn_readout.data.sources import molecules, smiles, tu, tu_files
from gnn_readout.runs import checkpoints, settings
from gnn_readout.training import members
from tests.runs.test_checkpoints import META, SCHEMA
from tests.test_records import FACTS

pytestmark = pytest.mark.slow

_SECONDS = 20  # After which a reader hangs.
_LONGEST = 1500  # Characters of a message.
_NUMBERS = ("nan", "inf", "1e308", "1e39", "-1", "-0", "0", "1", "2", "0.5",
            "2147483648", "9" * 400, "", "x", "1_0", "0x1", " 1", "+1", "1e",
            "\u0663", '"1"', "null", "true")  # fmt: skip


class Reader(NamedTuple):
  """A format.

  Attributes:
    write: Puts a whole dataset, the same each time, into an empty folder.
    files: Those that are changed, as globs.
    read: The program's reader: folder -> plain values.
    literal: What the files say: folder -> plain values; any exception where
      they say nothing.
    count: Mutants.
  """

  write: Callable[[pathlib.Path], None]
  files: tuple[str, ...]
  read: Callable[[pathlib.Path], Any]
  literal: Callable[[pathlib.Path], Any]
  count: int


# Changes of bytes.


def _flip(rng: random.Random, data: bytes) -> bytes:
  at = rng.randrange(len(data))
  return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _cut(rng: random.Random, data: bytes) -> bytes:
  return data[: rng.randrange(len(data))]


def _without_piece(rng: random.Random, data: bytes) -> bytes:
  at = rng.randrange(len(data))
  return data[:at] + data[at + rng.randrange(1, 9) :]


def _twice(rng: random.Random, data: bytes) -> bytes:
  at = rng.randrange(len(data))
  return data[:at] + data[at : at + rng.randrange(1, 40)] + data[at:]


# Changes of text.


def _lines(change: Callable) -> Callable[[random.Random, bytes], bytes]:
  def mutate(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    change(rng, lines)
    return b"\n".join(lines)

  return mutate


def _line_twice(rng, lines):
  at = rng.randrange(len(lines))
  lines.insert(rng.randrange(len(lines)), lines[at])


def _line_lost(rng, lines):
  del lines[rng.randrange(len(lines))]


def _lines_swapped(rng, lines):
  i, j = (rng.randrange(len(lines)) for _ in range(2))
  lines[i], lines[j] = lines[j], lines[i]


def _fields_swapped(rng, lines):
  at = rng.randrange(len(lines))
  fields = lines[at].split(b",")
  i, j = (rng.randrange(len(fields)) for _ in range(2))
  fields[i], fields[j] = fields[j], fields[i]
  lines[at] = b",".join(fields)


def _number(rng: random.Random, data: bytes) -> bytes:
  found = list(re.finditer(rb"-?[0-9][0-9.]*", data))
  if not found:
    return _flip(rng, data)
  old = rng.choice(found)
  new = rng.choice(_NUMBERS).encode()
  return data[: old.start()] + new + data[old.end() :]


BYTES = (_flip, _flip, _cut, _without_piece, _twice)
TEXT = (
  _lines(_line_twice), _lines(_line_lost), _lines(_lines_swapped),
  _lines(_fields_swapped), _number, _number, _number,
)  # fmt: skip


def _mutate_file(rng: random.Random, path: pathlib.Path) -> None:
  """Changes a file, or what a packed one holds."""
  if path.suffix == ".zip":
    rng.choice((_mutate_zip, _mutate_zip, _rename, _mutate_raw))(rng, path)
  elif path.suffix == ".gz" and rng.random() < 0.6:
    text = rng.choice(TEXT)(rng, gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(text, mtime=0))
  elif rng.random() < 0.5 and path.suffix != ".gz":
    path.write_bytes(rng.choice(TEXT)(rng, path.read_bytes()))
  else:
    _mutate_raw(rng, path)


def _mutate_raw(rng: random.Random, path: pathlib.Path) -> None:
  data = path.read_bytes()
  path.write_bytes(rng.choice(BYTES)(rng, data) if data else b"\n")


def _mutate_zip(rng: random.Random, path: pathlib.Path) -> None:
  with zipfile.ZipFile(path) as archive:
    held = {name: archive.read(name) for name in archive.namelist()}
  name = rng.choice(sorted(held))
  held[name] = rng.choice((*TEXT, *BYTES))(rng, held[name])
  _write_zip(path, held)


def _rename(rng: random.Random, path: pathlib.Path) -> None:
  """Renames a member, in the directory or in its own header, or in both."""
  data = path.read_bytes()
  with zipfile.ZipFile(path) as archive:
    old = rng.choice(archive.namelist()).encode()
  new = rng.choice(
    (_flip, _flip, lambda rng, x: x.replace(b"labels", b"lovely"))
  )
  new = new(rng, old)
  places = [found.start() for found in re.finditer(re.escape(old), data)]
  which = rng.choice((places, places[:1], places[1:]))
  for at in which:
    data = data[:at] + new + data[at + len(new) :]
  path.write_bytes(data)


def _write_zip(path: pathlib.Path, held: dict[str, bytes]) -> None:
  with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, data in held.items():
      archive.writestr(zipfile.ZipInfo(name), data)


# The TU collection.


def _write_tu(folder: pathlib.Path) -> None:
  rng = random.Random(7)
  texts = collections.defaultdict(str)
  first = 0
  for graph in range(1, 14):
    size = rng.randrange(1, 6)
    for _ in range(size):
      texts["graph_indicator"] += f"{graph}\n"
      texts["node_labels"] += f"{rng.randrange(3)}\n"
    for i in range(first + 1, first + size):
      label = rng.randrange(3)
      texts["A"] += f"{i}, {i + 1}\n{i + 1}, {i}\n"
      texts["edge_labels"] += f"{label}\n{label}\n"
    texts["graph_labels"] += f"{rng.choice((-1, 1))}\n"
    first += size
  (folder / "tu").mkdir()
  _write_zip(
    folder / "tu/MINE.zip",
    {f"MINE/MINE_{kind}.txt": text.encode() for kind, text in texts.items()},
  )


def _read_tu(folder: pathlib.Path) -> Any:
  store = tu.read_tu("MINE", folder)
  with zipfile.ZipFile(folder / "tu/MINE.zip") as archive:
    for name in archive.namelist():  # What is left out is told.
      kind = name.removeprefix("MINE/MINE_").removesuffix(".txt")
      if name.startswith("MINE/") and kind not in tu_files.KINDS:
        told = [n for n in store.schema.notes if n.startswith("not read:")]
        assert told and name.removeprefix("MINE/") in told[0], name
  return _columns(store)


def _literal_tu(folder: pathlib.Path) -> Any:
  with zipfile.ZipFile(folder / "tu/MINE.zip") as archive:
    held = {name: archive.read(name).decode() for name in archive.namelist()}

  def table(kind: str) -> list[list[int]]:
    lines = held[f"MINE/MINE_{kind}.txt"].replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip(" \t\r"):
      lines.pop()
    return [[_int(x) for x in line.split(",")] for line in lines]

  def column(kind: str) -> list[int]:
    return [number for (number,) in table(kind)]

  classes = column("graph_labels")
  graph, node_labels = column("graph_indicator"), None
  if "MINE/MINE_node_labels.txt" in held:
    node_labels = table("node_labels")
  edges = table("A")
  edge_labels = [[] for _ in edges]
  if "MINE/MINE_edge_labels.txt" in held:
    edge_labels = table("edge_labels")
  assert len(edges) == len(edge_labels)
  assert len({len(row) for row in edge_labels}) <= 1
  place = {}
  members = [[i for i, g in enumerate(graph, 1) if g == k + 1]
             for k in range(len(classes))]  # fmt: skip
  assert sum(map(len, members)) == len(graph)
  for nodes in members:
    place |= {node: k for k, node in enumerate(nodes)}
  kept = {}
  for (i, j), label in zip(edges, edge_labels, strict=True):
    assert graph[i - 1] == graph[j - 1] and min(i, j) > 0
    if i != j:
      kept.setdefault((i, j), label)
  if node_labels is None:
    node_labels = [[sum(j == n for _, j in kept)]
                   for n in range(1, len(graph) + 1)]  # fmt: skip
    codes = node_labels
  else:
    codes = _coded(node_labels)
  assert len(codes) == len(graph)
  edge_codes = dict(zip(kept, _coded(edge_labels, kept.values()), strict=True))
  return [
    (
      [codes[n - 1] for n in nodes],
      sorted(
        (place[j], place[i], edge_codes[i, j])
        for i, j in kept
        if graph[i - 1] == k + 1
      ),
      [sorted(set(classes)).index(classes[k])],
    )
    for k, nodes in enumerate(members)
  ], {}


def _int(text: str) -> int:
  text = text.strip(" \t\r")
  assert re.fullmatch(r"[+-]?[0-9]+(\.0*)?", text), text
  return int(text.partition(".")[0])


def _coded(rows, wanted=None) -> list[list[int]]:
  """Each column's values, numbered in ascending order."""
  values = [sorted(set(column)) for column in zip(*rows, strict=True)]
  return [
    [v.index(x) for v, x in zip(values, row, strict=True)]
    for row in (rows if wanted is None else wanted)
  ]


def _columns(store) -> Any:
  """A store as plain lists, graph by graph, and its splits."""
  graphs = []
  for g in range(store.num_graphs):
    n, e = (
      slice(*x[g : g + 2]) for x in (store.node_offsets, store.edge_offsets)
    )
    edges = zip(
      store.receivers[e].tolist(),
      store.senders[e].tolist(),
      store.edges[e].tolist(),
      strict=True,
    )
    labels = store.labels[g].tolist()
    graphs.append((store.nodes[n].tolist(), sorted(edges), labels))
  return graphs, {k: v.tolist() for k, v in store.splits.items()}


# OGB's raw files.

_OGB = "ogbg-mollipo"


def _write_ogb(folder: pathlib.Path) -> None:
  rng = random.Random(11)
  texts = collections.defaultdict(str)
  for _ in range(13):
    size = rng.randrange(1, 6)
    texts["raw/num-node-list"] += f"{size}\n"
    texts["raw/num-edge-list"] += f"{size - 1}\n"
    texts["raw/graph-label"] += f"{rng.random():.4f}\n"
    for i in range(size):
      atom = [rng.randrange(limit) for limit in molecules.ATOM_SIZES]
      texts["raw/node-feat"] += ",".join(map(str, atom)) + "\n"
      if i:
        bond = [rng.randrange(limit) for limit in molecules.BOND_SIZES]
        texts["raw/edge"] += f"{i - 1},{i}\n"
        texts["raw/edge-feat"] += ",".join(map(str, bond)) + "\n"
  for k, split in enumerate(molecules.SPLITS):
    numbers = range(k, 13, 3)
    texts[f"split/scaffold/{split}"] = "".join(f"{g}\n" for g in numbers)
  for name, text in texts.items():
    path = molecules.ogb_folder(_OGB, folder) / f"{name}.csv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _literal_ogb(folder: pathlib.Path) -> Any:
  def table(name: str, number=lambda x: int(x)) -> list[list[Any]]:
    path = molecules.ogb_folder(_OGB, folder) / f"{name}.csv.gz"
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    lines = lines[:-1] if not lines[-1] else lines
    for line in lines if number is int else ():
      assert re.fullmatch("[0-9,]+", line)
    return [[number(x) for x in line.split(",")] for line in lines]

  def real(text: str) -> float:
    return float(np.float32(text or "nan"))

  sizes, counts = (
    [n for (n,) in table(f"raw/num-{x}-list", int)] for x in ("node", "edge")
  )
  atoms, bonds = table("raw/node-feat", int), table("raw/edge", int)
  features, labels = table("raw/edge-feat", int), table("raw/graph-label", real)
  assert len(atoms) == sum(sizes) and len(bonds) == sum(counts)
  graphs, n, e = [], 0, 0
  for size, count, label in zip(sizes, counts, labels, strict=True):
    both = [
      edge
      for (i, j), f in zip(bonds[e : e + count], features[e : e + count])
      for edge in ((j, i, f), (i, j, f))
    ]
    graphs.append((atoms[n : n + size], sorted(both), label))
    n, e = n + size, e + count
  assert len(features) == len(bonds)
  splits = {
    s: [g for (g,) in table(f"split/scaffold/{s}", int)]
    for s in molecules.SPLITS
  }
  return graphs, splits


# A CSV file of one's own.

_SMILES = ("C", "CC", "CCO", "c1ccccc1", "CC(=O)O", "N", "C#N", "CCCC", "OCC",
           "C1CC1", "CCN", "CS", "Cl")  # fmt: skip


def _write_csv(folder: pathlib.Path) -> None:
  rng, splits = random.Random(3), ("train", "valid", "test")
  lines = ["smiles,y,split,note"]
  for k, text in enumerate(_SMILES):
    note = '"a, b"' if k == 4 else "x"
    lines.append(f"{text},{rng.random():.3f},{splits[k % 3]},{note}")
  (folder / "mine.csv").write_text("\n".join(lines) + "\n")


def _read_csv(folder: pathlib.Path) -> Any:
  store = smiles.read_csv(
    folder / "mine.csv",
    label_columns="y",
    split_column="split",
    task_type="regression",
    num_workers=1,
  )
  texts = [store.texts["smiles"][g] for g in range(store.num_graphs)]
  splits = {k: v.tolist() for k, v in store.splits.items()}
  rows = zip(
    store.rows.tolist(),
    texts,
    store.num_nodes.tolist(),
    store.labels[:, 0].tolist(),
    strict=True,
  )
  return list(rows), splits


def _literal_csv(folder: pathlib.Path) -> Any:
  from rdkit import Chem

  text = (folder / "mine.csv").read_bytes().decode()
  header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
  named = [name.strip() for name in header]
  words = {"val": "valid", "validation": "valid", "training": "train"}
  rows, splits = [], {"train": [], "valid": [], "test": []}
  for number, line in enumerate(lines, 1):
    if not any(line):
      continue
    assert not any(line[len(header) :])
    fields = dict(zip(named, line[: len(header)], strict=True))
    value = fields["y"].strip()
    missing = value.lower() in ("", "nan", "na", "n/a", "none", "null")
    assert missing or re.fullmatch(r"[0-9eE.+-]+", value, re.ASCII)
    atoms = Chem.MolFromSmiles(fields["smiles"]).GetNumAtoms()
    split = fields["split"].strip().lower()
    splits[words.get(split, split)].append(len(rows))
    label = math.nan if missing else float(np.float32(value))
    rows.append((number, fields["smiles"], atoms, label))
  return rows, splits


# What a run leaves.


def _json(folder: pathlib.Path, name: str) -> Any:
  def once(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)

  text = (folder / name).read_bytes().decode()
  return json.loads(text, object_pairs_hook=once)


def _write_config(folder: pathlib.Path) -> None:
  config = settings.as_json(molpcba.get_config("gcn,equilibrium"))
  config["population"] = "seed=0,1 optimizer.learning_rate=1e-4,1e-3"
  (folder / "config.json").write_text(json.dumps(config, indent=1))


def _read_config(folder: pathlib.Path) -> Any:
  config = settings.read_config(folder / "config.json")
  for name in members.names(config):  # They become folders.
    assert not name or paths.is_part(name), name
  return config.to_dict()


def _read_record(folder: pathlib.Path) -> Any:
  record = records.read(folder / "record.json")
  assert paths.is_part(record["name"])
  return record


_STATE = {"w": np.arange(35, dtype=np.float32).reshape(7, 5), "n": np.int32(3)}


def _write_checkpoint(folder: pathlib.Path) -> None:
  checkpoints.save(folder, "latest", 3, _STATE, META)


def _read_checkpoint(folder: pathlib.Path) -> Any:
  saved = checkpoints.restore(folder, "latest", _STATE, SCHEMA)
  return [saved.step, saved.state, {name: saved.meta[name] for name in META}]


def _literal_checkpoint(folder: pathlib.Path) -> Any:
  return [3, _STATE, META]


READERS = {
  "TU zip": Reader(_write_tu, ("tu/MINE.zip",), _read_tu, _literal_tu, 250),
  "OGB raw": Reader(
    _write_ogb,
    ("ogb/*/*/*.gz", "ogb/*/*/*/*.gz"),
    lambda folder: _columns(molecules.read_ogb(_OGB, folder)),
    _literal_ogb,
    200,
  ),
  "CSV": Reader(_write_csv, ("mine.csv",), _read_csv, _literal_csv, 200),
  "config.json": Reader(
    _write_config,
    ("config.json",),
    _read_config,
    lambda folder: _json(folder, "config.json"),
    100,
  ),
  "record.json": Reader(
    lambda folder: records.write(folder, FACTS),
    ("record.json",),
    _read_record,
    lambda folder: _json(folder, "record.json"),
    150,
  ),
  "checkpoint": Reader(
    _write_checkpoint,
    ("checkpoints/**/*",),
    _read_checkpoint,
    _literal_checkpoint,
    100,
  ),
}


class _Hang(BaseException):
  pass


@contextlib.contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
  def stop(*unused):
    raise _Hang

  before = signal.signal(signal.SIGALRM, stop)
  signal.alarm(seconds)
  try:
    yield
  finally:
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _same(left: Any, right: Any) -> bool:
  """Equality in which NaN is itself, and lists and tuples are one."""
  if isinstance(left, dict) and isinstance(right, dict):
    return left.keys() == right.keys() and all(
      _same(left[key], right[key]) for key in left
    )
  if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
    return len(left) == len(right) and all(map(_same, left, right))
  if isinstance(left, float) and isinstance(right, (int, float)):
    return left == right or (math.isnan(left) and math.isnan(right))
  if isinstance(left, (np.ndarray, np.generic, jax.Array)):
    return np.array_equal(left, right)
  return type(left) is type(right) and left == right


def _tree(folder: pathlib.Path) -> set[str]:
  return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _try(reader: Reader, folder: pathlib.Path, original: Any) -> str:
  """What became of a mutant; an exception if that is not as it should be."""
  try:
    with _no_longer_than(_SECONDS):
      found = reader.read(folder)
  except (ValueError, OSError) as error:
    text = str(error)
    assert text and "\n" not in text and len(text) <= _LONGEST, text
    return "refused"
  if _same(found, original):
    return "same"
  assert _same(found, reader.literal(folder)), "read as something else"
  return "legally different"


@pytest.mark.parametrize("name", READERS)
def test_mutants(name, tmp_path, monkeypatch):
  reader = READERS[name]
  whole, folder = tmp_path / "whole", tmp_path / "mutant"
  whole.mkdir()
  reader.write(whole)
  original = reader.read(whole)
  assert _same(original, reader.literal(whole))  # The oracle has its say.
  (tmp_path / "here").mkdir()
  monkeypatch.chdir(tmp_path / "here")
  counts, wrong = collections.Counter(), []
  for seed in range(reader.count):
    rng = random.Random(f"{name} {seed}")
    shutil.copytree(whole, folder)
    files = sorted(
      path
      for pattern in reader.files
      for path in folder.glob(pattern)
      if path.is_file()
    )
    _mutate_file(rng, rng.choice(files))
    try:
      counts[_try(reader, folder, original)] += 1
    except (Exception, _Hang) as error:
      wrong.append(f"{seed}: {type(error).__name__}: {str(error)[:300]}")
    shutil.rmtree(folder)
  print(f"\n{name:12} {reader.count:5} mutants, {dict(sorted(counts.items()))}")
  assert not wrong, "\n".join(wrong)
  assert counts["refused"] > reader.count / 10
  assert {path.split("/")[0] for path in _tree(tmp_path)} == {"here", "whole"}
  assert not _tree(tmp_path / "here")
