"""Published numbers, each with where it was published.

Percentages are stored as fractions, times as hours. Models and readouts have
the names they have in configs; a name not found there is another program's.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Published:
  """One published number.

  Attributes:
    dataset: Such as 'ogbg-molpcba'.
    model: Message passing, with '+virtual_node' where there is one; '' where
      the source does not say.
    readout: '' where the source does not say or the model has its own.
    metric: 'ap', 'rocauc' or 'hours' (of training).
    value: The number.
    deviation: Standard deviation over seeds, None where there is none.
    split: 'test', 'valid' or 'train'.
    source: Publication and table.
    setting: What differs from the source's main experiment, '' if nothing.
    width: Size of the node embeddings, None where the source does not say.
  """

  dataset: str
  model: str
  readout: str
  metric: str
  value: float
  deviation: float | None
  split: str
  source: str
  setting: str = ""
  width: int | None = 300


_PCBA, _HIV = "ogbg-molpcba", "ogbg-molhiv"
_TOX21, _TOXCAST = "ogbg-moltox21", "ogbg-moltoxcast"
_GCN_V, _GIN_V = "gcn+virtual_node", "gin+virtual_node"
_EQ = "equilibrium"
_OGB = "OGB leaderboard"
_QUOTED = "OGB baselines, as quoted by later work"
_FLAX = "flax ogbg_molpcba example"
_MLC = "MLCommons algorithmic efficiency, ogbg target"
_T2, _E1, _E2, _E3, _E4 = (
  f"Bartunov et al. 2022, {table}"
  for table in ("Table 2", "E.1", "E.2", "E.3", "E.4")
)
_P = Published

# fmt: off
PUBLISHED: tuple[Published, ...] = (
  # OGB's own models, over 10 seeds.
  _P(_PCBA, "gcn", "mean", "ap", 0.2020, 0.0024, "test", _OGB),
  _P(_PCBA, "gcn", "mean", "ap", 0.2059, 0.0033, "valid", _OGB),
  _P(_PCBA, "gin", "mean", "ap", 0.2266, 0.0028, "test", _OGB),
  _P(_PCBA, "gin", "mean", "ap", 0.2305, 0.0027, "valid", _OGB),
  _P(_PCBA, _GCN_V, "mean", "ap", 0.2424, 0.0034, "test", _OGB),
  _P(_PCBA, _GCN_V, "mean", "ap", 0.2495, 0.0042, "valid", _OGB),
  _P(_PCBA, _GIN_V, "mean", "ap", 0.2703, 0.0023, "test", _OGB),
  _P(_PCBA, _GIN_V, "mean", "ap", 0.2798, 0.0025, "valid", _OGB),
  _P(_HIV, "gcn", "mean", "rocauc", 0.7606, 0.0097, "test", _OGB),
  _P(_HIV, "gcn", "mean", "rocauc", 0.8204, 0.0141, "valid", _OGB),
  _P(_HIV, "gin", "mean", "rocauc", 0.7558, 0.0140, "test", _OGB),
  _P(_HIV, "gin", "mean", "rocauc", 0.8232, 0.0090, "valid", _OGB),
  _P(_HIV, _GCN_V, "mean", "rocauc", 0.7599, 0.0119, "test", _OGB),
  _P(_HIV, _GCN_V, "mean", "rocauc", 0.8384, 0.0091, "valid", _OGB),
  _P(_HIV, _GIN_V, "mean", "rocauc", 0.7707, 0.0149, "test", _OGB),
  _P(_HIV, _GIN_V, "mean", "rocauc", 0.8479, 0.0068, "valid", _OGB),
  _P(_TOX21, "gcn", "mean", "rocauc", 0.7529, 0.0069, "test", _QUOTED),
  _P(_TOX21, "gin", "mean", "rocauc", 0.7491, 0.0051, "test", _QUOTED),
  _P(_TOXCAST, "gcn", "mean", "rocauc", 0.6354, 0.0042, "test", _QUOTED),
  _P(_TOXCAST, "gin", "mean", "rocauc", 0.6341, 0.0074, "test", _QUOTED),
  # Other programs' models; 'end' = not the best but the last step.
  _P(_PCBA, "pna", "", "ap", 0.2838, 0.0035, "test", _OGB, "", None),
  _P(_PCBA, "pna", "", "ap", 0.2926, 0.0026, "valid", _OGB, "", None),
  _P(_PCBA, "flax_gcn", "mean", "ap", 0.2440, None, "test", _FLAX, "end", 256),
  _P(_PCBA, "flax_gcn", "mean", "ap", 0.2520, None, "valid", _FLAX, "end", 256),
  _P(_PCBA, "graph_network", "", "ap", 0.2687, None, "test", _MLC, "", None),
  _P(_PCBA, "graph_network", "", "ap", 0.2810, None, "valid", _MLC, "", None),
  # Equilibrium Aggregation, Table 2.
  _P(_PCBA, "gcn", "sum", "ap", 0.203, None, "test", _T2),
  _P(_PCBA, "gcn", "sum", "ap", 0.223, None, "valid", _T2),
  _P(_PCBA, "gcn", "attention", "ap", 0.229, None, "test", _T2),
  _P(_PCBA, "gcn", "attention", "ap", 0.248, None, "valid", _T2),
  _P(_PCBA, "gcn", "pna", "ap", 0.209, None, "test", _T2),
  _P(_PCBA, "gcn", "pna", "ap", 0.226, None, "valid", _T2),
  _P(_PCBA, "gcn", _EQ, "ap", 0.252, None, "test", _T2),
  _P(_PCBA, "gcn", _EQ, "ap", 0.269, None, "valid", _T2),
  _P(_PCBA, "gin", "sum", "ap", 0.232, None, "test", _T2),
  _P(_PCBA, "gin", "sum", "ap", 0.255, None, "valid", _T2),
  _P(_PCBA, "gin", "attention", "ap", 0.234, None, "test", _T2),
  _P(_PCBA, "gin", "attention", "ap", 0.254, None, "valid", _T2),
  _P(_PCBA, "gin", "pna", "ap", 0.244, None, "test", _T2),
  _P(_PCBA, "gin", "pna", "ap", 0.262, None, "valid", _T2),
  _P(_PCBA, "gin", _EQ, "ap", 0.246, None, "test", _T2),
  _P(_PCBA, "gin", _EQ, "ap", 0.263, None, "valid", _T2),
  _P(_PCBA, _EQ, _EQ, "ap", 0.258, None, "test", _T2),
  _P(_PCBA, _EQ, _EQ, "ap", 0.269, None, "valid", _T2),
  # E.1: inner steps.
  _P(_PCBA, "gcn", _EQ, "ap", 0.235, None, "valid", _E1, "1 step"),
  _P(_PCBA, "gcn", _EQ, "ap", 0.257, None, "valid", _E1, "2 steps"),
  _P(_PCBA, "gcn", _EQ, "ap", 0.263, None, "valid", _E1, "5 steps"),
  _P(_PCBA, "gcn", _EQ, "ap", 0.268, None, "valid", _E1, "10 steps"),
  # E.2: hours for 2,000,000 training steps, of a model it does not name.
  _P(_PCBA, "", "sum", "hours", 330 / 60, None, "train", _E2, "", None),
  _P(_PCBA, "", _EQ, "hours", 470 / 60, None, "train", _E2, "2 steps", None),
  _P(_PCBA, "", _EQ, "hours", 608 / 60, None, "train", _E2, "5 steps", None),
  _P(_PCBA, "", _EQ, "hours", 944 / 60, None, "train", _E2, "10 steps", None),
  # E.3: weight of the auxiliary loss.
  _P(_PCBA, "gin", _EQ, "ap", 0.250, None, "valid", _E3, "weight 1e-4"),
  _P(_PCBA, "gin", _EQ, "ap", 0.261, None, "valid", _E3, "weight 1e-3"),
  _P(_PCBA, "gin", _EQ, "ap", 0.257, None, "valid", _E3, "weight 1e-2"),
  _P(_PCBA, "gin", _EQ, "ap", 0.254, None, "valid", _E3, "weight 1e-1"),
  _P(_PCBA, "gin", _EQ, "ap", 0.263, None, "valid", _E3, "weight 1"),
  # E.4: embeddings in the potential, with the rest of the network smaller.
  _P(_PCBA, "gcn", _EQ, "ap", 0.208, None, "valid", _E4, "10%", None),
  _P(_PCBA, "gcn", _EQ, "ap", 0.218, None, "valid", _E4, "30%", None),
  _P(_PCBA, "gcn", _EQ, "ap", 0.228, None, "valid", _E4, "60%", None),
  _P(_PCBA, "gcn", _EQ, "ap", 0.233, None, "valid", _E4, "100%", None),
  _P(_PCBA, "gcn", _EQ, "ap", 0.222, None, "valid", _E4, "130%", None),
)
# fmt: on


def find(
  dataset: str, model: str, readout: str, width: int, metric: str, split: str
) -> Published | None:
  """Returns the number of a source's main experiment, None if there is none."""
  wanted = (dataset, model, readout, width, metric, split, "")
  for row in PUBLISHED:
    key = (row.dataset, row.model, row.readout, row.width, row.metric)
    if (*key, row.split, row.setting) == wanted:
      return row
  return None


# Zhang 2020 (thesis), tables 5.1-5.3: losses of reconstructed polygons with so
# many points, in hundredths, as printed. "random" is not a model: the same
# polygon in another rotation.
_POLYGON_SIZES = (2, 4, 8, 16, 32, 64)
# fmt: off
_POLYGONS = {
  ("direct", "fspool,direct"): (0.000, 0.001, 0.000, 0.000, 0.000, 0.0001),
  ("direct", "random"): (100.323, 100.134, 99.367, 99.951, 99.438, 99.523),
  ("chamfer", "fspool,direct"): (0.001, 0.001, 0.001, 0.000, 0.001, 0.002),
  ("chamfer", "mlp,chamfer"): (1.189, 1.771, 0.274, 1.272, 0.316, 0.085),
  ("chamfer", "mlp,hungarian"): (1.517, 0.400, 0.251, 1.266, 0.326, 0.081),
  ("chamfer", "random"): (72.848, 19.866, 5.112, 1.271, 0.322, 0.081),
  ("hungarian", "fspool,direct"): (0.000, 0.001, 0.000, 0.000, 0.000, 0.001),
  ("hungarian", "mlp,chamfer"): (0.595, 0.885, 0.137, 0.641, 0.160, 0.285),
  ("hungarian", "mlp,hungarian"): (0.758, 0.200, 0.126, 0.634, 0.163, 0.040),
  ("hungarian", "random"): (36.424, 9.933, 2.556, 0.635, 0.161, 0.041),
}
# fmt: on


def polygon_loss(metric: str, variant: str, num_points: int) -> float | None:
  """Returns a loss of the polygon auto-encoders, None if none was published.

  Args:
    metric: 'direct', 'chamfer' or 'hungarian' (tables 5.1, 5.2 and 5.3); each a
      mean over points and coordinates.
    variant: That of `configs/polygons.py`, or 'random'.
    num_points: n.
  """
  losses = _POLYGONS.get((metric, variant))
  if losses is None or num_points not in _POLYGON_SIZES:
    return None
  return losses[_POLYGON_SIZES.index(num_points)] / 100


# Zhang 2020 (thesis), table 5.10: percentages of GIN-FSPool, GIN-Base and
# GIN-Base* (Xu et al. 2019), and epochs to the best validation accuracy of the
# first two. GIN-Base pools with the mean on social networks (above), where a
# run of either has 250 epochs and 4 points to choose from; with the sum on
# molecules and proteins (below), 500 epochs and 8 points (A.3.4).
_THESIS = "Zhang 2020 (thesis), table 5.10"
_XU = "Xu et al. 2019, as quoted in table 5.10 of Zhang 2020 (thesis)"
# fmt: off
_SOCIAL = {
  "tu/IMDB-BINARY": ((72.1, 2.0), (71.3, 1.2), 75.1, (95, 70), (83, 73)),
  "tu/IMDB-MULTI": ((49.9, 1.7), (48.8, 1.7), 52.3, (27, 23), (57, 59)),
  "tu/REDDIT-BINARY": ((89.1, 1.2), (84.8, 1.7), 92.4, (124, 64), (156, 58)),
  "tu/REDDIT-MULTI-5K": ((51.8, 0.9), (48.1, 2.0), 57.5, (66, 31), (211, 27)),
  "tu/COLLAB": ((80.0, 0.4), (80.3, 0.4), 80.2, (124, 56), (204, 26)),
}
_BIOINFORMATICS = {
  "tu/MUTAG": ((85.9, 2.4), (85.0, 1.5), 89.4, (299, 91), (244, 95)),
  "tu/PROTEINS": ((73.8, 0.9), (73.2, 1.2), 76.2, (69, 23), (160, 123)),
  "tu/PTC_MR": ((59.3, 1.8), (59.9, 2.4), 64.6, (214, 110), (202, 100)),
  "tu/NCI1": ((79.2, 0.6), (79.4, 0.6), 82.7, (361, 54), (412, 55)),
}
# fmt: on
TU_DATASETS = (*_SOCIAL, *_BIOINFORMATICS)


class Tu(NamedTuple):
  """Published numbers of a model on a dataset of the TU collection.

  Attributes:
    accuracy: A fraction.
    deviation: Sample deviation over ten repeats, None where there is none.
    epochs: To the best validation accuracy, None where not given.
    epochs_deviation: Likewise.
    source: Publication and table.
  """

  accuracy: float
  deviation: float | None
  epochs: float | None
  epochs_deviation: float | None
  source: str


def base_readout(dataset: str) -> str | None:
  """Returns the readout of GIN-Base, None for a dataset not in table 5.10."""
  if dataset in _SOCIAL:
    return "mean"
  return "sum" if dataset in _BIOINFORMATICS else None


def tu_size(dataset: str, model: str) -> tuple[int, int] | None:
  """Returns epochs and points of the grid of the published runs.

  Args:
    dataset: Such as 'tu/MUTAG'.
    model: 'gin' (of the thesis) or 'gin0' (of Xu et al.).
  """
  if base_readout(dataset) is None:
    return None
  epochs, points = (250, 4) if dataset in _SOCIAL else (500, 8)
  return (350 if model == "gin0" else epochs), points


def tu(dataset: str, model: str, readout: str) -> Tu | None:
  """Returns what was published of a model, None if nothing was.

  Args:
    dataset: Such as 'tu/MUTAG'.
    model: 'gin' (of the thesis) or 'gin0' (of Xu et al.).
    readout: Its name.
  """
  base = base_readout(dataset)
  if base is None:
    return None
  row = (_SOCIAL | _BIOINFORMATICS)[dataset]
  fspool, gin_base, xu, fspool_epochs, base_epochs = row
  published = {
    ("gin", "fspool"): (*fspool, *fspool_epochs, _THESIS),
    ("gin", base): (*gin_base, *base_epochs, _THESIS),
    ("gin0", base): (xu, None, None, None, _XU),
  }
  if (model, readout) not in published:
    return None
  percent, deviation, *rest = published[model, readout]
  return Tu(_fraction(percent), deviation and _fraction(deviation), *rest)


def _fraction(percent: float) -> float:
  return round(percent / 100, 4)  # As printed, not 0.7210000000000001.
