"""A stand-in for ogbg-molpcba where the real one is not at hand.

As many graphs in the same files, so that the whole data pipeline can be tried
at full size in a dry run: real molecules, of ogbg-molhiv and therefore each of
them about ten times, with labels that are made up. No score on it means
anything. The release note of the folder says so, and because of it the name of
the dataset, in whatever is printed or recorded, ends with `(stand-in)`.

Letters: G graphs, M molecules to draw from, T tasks.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

import numpy as np

from gnn_readout.data.sources import molecules
from gnn_readout.data.store import GraphStore
from gnn_readout.files import atomic_directory

NAME, SOURCE = "ogbg-molpcba", "ogbg-molhiv"
NUM_GRAPHS = 437_929  # Those of ogbg-molpcba.
MISSING = 0.6

_RATES = 5e-4, 0.07  # Evenly spaced logarithms between them have mean 0.014.
_CHUNK = 1 << 13  # Graphs written at a time.


def write_standin(
  data_dir: str | os.PathLike[str],
  output: str | os.PathLike[str],
  num_graphs: int = NUM_GRAPHS,
  seed: int = 0,
  missing: float = MISSING,
  progress: Callable[[int], None] = lambda done: None,
) -> pathlib.Path:
  """Writes a stand-in for ogbg-molpcba in OGB's raw layout.

  Molecules are drawn with replacement, for each split from the same split of
  ogbg-molhiv, so that no molecule is in two of them; graphs of all splits are
  mixed. Label y of graph g and task t is missing with one probability for all,
  else P(y_gt = 1) = p_t (1 + tanh(w_t . x_g)) / mean_g(1 + tanh(w_t . x_g)):
  p_t from 0.05% to 7%, 1.4% on average; x_g the standardised means of the nine
  features over the molecule's atoms, w_t random of length one in expectation.
  It is a weak signal, for a loss that moves: no graph is more than about twice
  as likely as the average.

  Args:
    data_dir: The folder that holds `ogb/ogbg_molhiv`.
    output: The data folder to write `ogb/ogbg_molpcba` in.
    num_graphs: G, at least 10: a tenth is for validation and a tenth for test.
    seed: Two stand-ins of the same source, size and seed are the same.
    missing: Share of the labels that are missing.
    progress: Called now and then with the number of graphs written.

  Returns:
    The dataset's folder. A stand-in that was there is replaced.

  Raises:
    FileNotFoundError: ogbg-molhiv is not there.
    ValueError: An argument is out of range, ogbg-molhiv is damaged, or the
      folder holds something that is not a stand-in.
    OSError: The folder cannot be written.
  """
  if num_graphs < 10:
    raise ValueError(f"num_graphs must be at least 10, got {num_graphs}")
  if not 0 <= missing < 1:
    raise ValueError(f"missing must be from 0 to below 1, got {missing}")
  folder = molecules.ogb_folder(NAME, output)
  if folder.exists() and not molecules.is_standin(folder):
    raise ValueError(
      f"{folder} exists and is not a stand-in: choose another --output"
    )
  rng = np.random.default_rng(seed)
  store = molecules.read_ogb(SOURCE, data_dir)
  splits, drawn = _draw(rng, store.splits, num_graphs)
  chances = _chances(rng, store)
  texts = _texts(store, data_dir)
  with atomic_directory(folder) as work:
    note = (
      f"{molecules.STANDIN} for {NAME}, not {NAME}: {num_graphs} molecules"
      f" drawn with replacement from {SOURCE}, labels made up, with seed {seed}"
      f" and {missing:g} of them missing\n"
    )
    (work / molecules.RELEASE).write_text(note, encoding="utf-8")
    for split, graphs in splits.items():
      with _gzip_file(work / f"split/scaffold/{split}.csv.gz") as file:
        file.writelines(b"%d\n" % graph for graph in graphs)
    with contextlib.ExitStack() as stack:
      files = {
        name: stack.enter_context(_gzip_file(work / f"raw/{name}.csv.gz"))
        for name in (*texts, "graph-label")
      }
      for start in range(0, num_graphs, _CHUNK):
        chunk = drawn[start : start + _CHUNK]
        for name, text in texts.items():
          files[name].writelines(text[i] for i in chunk.tolist())
        files["graph-label"].write(_labels(rng, chances[chunk], missing))
        progress(start + len(chunk))
  return folder


def _draw(
  rng: np.random.Generator, splits: Mapping[str, np.ndarray], num_graphs: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
  """Returns the graphs of each split, and the molecule of each graph, [G]."""
  tenth = round(num_graphs / 10)
  order = rng.permutation(num_graphs)
  parts = np.split(order, [num_graphs - 2 * tenth, num_graphs - tenth])
  graphs = {
    split: np.sort(part)
    for split, part in zip(molecules.SPLITS, parts, strict=True)
  }
  drawn = np.empty(num_graphs, np.int64)
  for split, part in graphs.items():
    drawn[part] = rng.choice(splits[split], len(part))
  return graphs, drawn


def _chances(rng: np.random.Generator, store: GraphStore) -> np.ndarray:
  """Returns how likely each molecule is a positive of each task, [M, T]."""
  num_tasks = molecules.OGB_DATASETS[NAME].num_tasks
  rates = rng.permutation(np.geomspace(*_RATES, num_tasks))
  totals = np.zeros((len(store.nodes) + 1, store.schema.node_dim))
  np.cumsum(store.nodes, axis=0, out=totals[1:])
  means = np.diff(totals[store.node_offsets], axis=0)  # [M, D]
  means /= np.maximum(store.num_nodes, 1)[:, None]
  means = (means - means.mean(0)) / np.maximum(means.std(0), 1e-9)
  weights = rng.normal(size=(means.shape[1], num_tasks))
  lift = 1 + np.tanh(means @ weights / np.sqrt(len(weights)))  # [M, T]
  return (rates * lift / lift.mean(axis=0)).astype(np.float32)


def _texts(
  store: GraphStore, data_dir: str | os.PathLike[str]
) -> dict[str, list[bytes]]:
  """Returns the rows of each molecule in each raw file, as they stand there."""
  files = molecules.ogb_files(SOURCE, data_dir)
  ones = np.ones(store.num_graphs, np.int64)
  num_bonds = store.num_edges // 2
  counts = {
    "num-node-list": ones,
    "num-edge-list": ones,
    "node-feat": store.num_nodes,
    "edge": num_bonds,
    "edge-feat": num_bonds,
  }
  return {name: _rows(files[name], count) for name, count in counts.items()}


def _rows(file: pathlib.Path, counts: np.ndarray) -> list[bytes]:
  """Cuts a file after so many rows for each molecule, counts being [M]."""
  text = gzip.decompress(file.read_bytes())
  if not text.endswith(b"\n"):
    text += b"\n"
  newlines = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
  row_starts = np.append(0, newlines + 1)
  cuts = row_starts[np.append(0, np.cumsum(counts))]  # [M + 1]
  return [text[i:j] for i, j in itertools.pairwise(cuts.tolist())]


def _labels(
  rng: np.random.Generator, chances: np.ndarray, missing: float
) -> bytes:
  """Draws labels from chances [G, T]; returns them as rows of a CSV file."""
  draws = rng.random(chances.shape, np.float32)
  text = np.empty((*chances.shape, 4), np.uint8)  # [G, T, 4]
  text[:] = np.frombuffer(b"0.0,", np.uint8)
  text[..., 0] += draws > 1 - (1 - missing) * chances
  text[:, -1, 3] = ord("\n")
  kept = np.ones(text.shape, bool)
  kept[..., :3] = (draws >= missing)[..., None]
  return text[kept].tobytes()


@contextlib.contextmanager
def _gzip_file(path: pathlib.Path) -> Iterator[BinaryIO]:
  """Opens a gzipped file; the same text makes the same bytes."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with (
    open(path, "wb") as file,
    gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed,
  ):
    yield packed
