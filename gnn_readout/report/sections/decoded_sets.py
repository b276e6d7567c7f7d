"""A vector in, a set out: polygons, digits, scenes, and noisy digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gnn_readout.records import Record, field
from gnn_readout.report.blocks import Block, Table
from gnn_readout.report.results import published
from gnn_readout.report.results.selection import Selection
from gnn_readout.report.results.tasks import label, rows
from gnn_readout.report.sections import set_rows


def decoder(row: Selection) -> str:
  """Returns the decoder, with the readout whose gradient DSPN decodes by."""
  name = field(row.record, "model.decoder")
  if name != "dspn":
    return name
  last = field(row.record, "loss_of_all_steps") is False
  return f"dspn {label(row)}" + ", loss of the last step" * last


def set_prediction(records: Sequence[Record]) -> list[Block]:
  """Makes the section of sets that are decoded from vectors."""
  found = set_rows.ordered(rows(records, "set_prediction"))
  if not found:
    return []
  fields = {
    "data": "data",
    "n": "num_points",
    "input": "input",
    "inner steps": "model.num_steps",
    "test steps": "model.test_num_steps",
  }
  groups = set_rows.by_setting(found, ("data", "num_points", "input"), decoder)
  return [
    "Sets are decoded from a vector by DSPN, whose encoder pools with the"
    " readout, by an MLP or by an LSTM. The test score is a squared loss;"
    " `set_loss` uses Huber's function, as table 6.1 of the thesis does for"
    " digits. Scores with a number behind them are after so many steps."
    f" {set_rows.HOW.format(task='set_prediction')}",
    *(
      sentence
      for setting, group in groups.items()
      for sentence in set_rows.leader(setting, group, "decodes", decoder)
    ),
    *set_rows.ranking(groups, "set_prediction", decoder),
    *set_rows.table(
      found, "set_prediction", fields, name=decoder, extra=_published_loss
    ),
  ]


def _published_loss(row: Selection) -> dict[str, str]:
  data = field(row.record, "data")
  if data != "digits":
    return {}
  own = field(row.record, "model.decoder")
  value = published.of_sets("set_prediction", own, data, "set_loss")
  return {
    "set loss": f"{set_rows.scores(row)['set_loss']:.3g}",
    "published": set_rows.printed(value),
  }


def denoising(records: Sequence[Record]) -> list[Block]:
  """Makes the section of digits that are reconstructed without their noise."""
  found = set_rows.ordered(rows(records, "denoising"))
  if not found:
    return []

  def name(row: Selection) -> str:
    return f"{label(row)},{field(row.record, 'model.decoder')}"

  def beside(row: Selection) -> dict[str, str]:
    noise = f"{field(row.record, 'noise'):g}"
    value = published.of_sets("denoising", name(row), noise, "chamfer")
    return {"published": set_rows.printed(value)}

  groups = set_rows.by_setting(found, ("noise",), name)
  return [
    "Noisy points of digits in, clean ones out; readout and decoder. The"
    " published losses (table 5.4 of the thesis) are of batches that are filled"
    " up with padding, which ours leaves out, so that their levels do not"
    f" match. {set_rows.HOW.format(task='denoising')}",
    *(
      sentence
      for setting, group in groups.items()
      for sentence in set_rows.leader(setting, group, "reconstructs", name)
    ),
    *set_rows.table(
      found, "denoising", {"noise": "noise"}, name=name, extra=beside
    ),
  ]


def scenes(records: Sequence[Record]) -> list[Block]:
  """Makes the section of objects that are found in pictures."""
  found = set_rows.ordered(rows(records, "scenes"))
  if not found:
    return []
  groups = set_rows.by_setting(found, ("target",), decoder)
  tables = [
    Table(f"Average precision in percent, {setting}", _precisions(group))
    for setting, group in groups.items()
  ]
  return [
    "Objects of synthetic pictures, found by their boxes or by their positions"
    " and attributes. The thesis has photographs of CLEVR instead, so that the"
    " order of its rows can be compared with ours and no number. A run is"
    " chosen and ranked by a loss of squares, and scored after several steps of"
    f" the same decoder. {set_rows.HOW.format(task='scenes')}",
    *(
      sentence
      for setting, group in groups.items()
      for sentence in [
        *set_rows.leader(setting, group, "decodes", decoder),
        *_most_precise(setting, group),
      ]
    ),
    *tables,
    *set_rows.table(
      found,
      "scenes",
      {"target": "target"},
      name=decoder,
      hidden=[
        name.replace("_", " ")
        for row in found
        for name in set_rows.scores(row)
        if name.startswith("ap")
      ],
    ),
  ]


def _steps(row: Selection) -> list[tuple[str, str]]:
  """Returns after how many steps a row is scored: shown, and in names."""
  if field(row.record, "model.decoder") != "dspn":
    return [("", "")]
  steps: Sequence[Any] = field(row.record, "model.test_num_steps") or [
    field(row.record, "model.num_steps")
  ]
  return [(f"{n}", f"_{n}" if i else "") for i, n in enumerate(steps)]


def _precisions(group: Sequence[Selection]) -> list[dict[str, str]]:
  """Returns a row for each decoder and number of steps, and what is published.

  Args:
    group: Rows of one target.
  """
  target = field(group[0].record, "target")
  table = []
  for row in group:
    own = set_rows.scores(row)
    names = _precision_names(row)
    for shown, suffix in _steps(row):
      sides = {"ours": [own[name + suffix] for name in names]}
      setting = f"{target} {shown}".strip()
      thesis = [
        published.of_sets("scenes", decoder(row), setting, name)
        for name in names
      ]
      if any(thesis):
        sides["thesis, CLEVR"] = [x and x.value for x in thesis]
      for source, values in sides.items():
        cells = ["" if x is None else f"{100 * x:.1f}" for x in values]
        titles = [name.replace("_", " ").upper() for name in names]
        table.append(
          {"model": decoder(row), "steps": shown, "source": source}
          | dict(zip(titles, cells, strict=True))
        )
  return table


def _most_precise(setting: str, group: Sequence[Selection]) -> list[str]:
  """Returns which row is the most precise at each threshold, of several."""
  best: dict[str, tuple[float, str]] = {}
  for row in group:
    own = set_rows.scores(row)
    for shown, suffix in _steps(row):
      name = decoder(row) + (f" after {shown} steps" if shown else "")
      for score in _precision_names(row):
        value = own[score + suffix]
        best[score] = max(best.get(score, (-1.0, "")), (value, name))
  if len(group) < 2 or not best:
    return []
  parts = [
    f"{score.replace('_', ' ').upper()} {name} ({100 * value:.1f})"
    for score, (value, name) in best.items()
  ]
  return [f"The most precise at {setting}, in percent: {', '.join(parts)}."]


def _precision_names(row: Selection) -> list[str]:
  """Returns the names of average precisions, without a number of steps."""
  later = tuple(suffix for _, suffix in _steps(row) if suffix)
  names = (name for name in set_rows.scores(row) if name.startswith("ap"))
  return [name for name in names if not name.endswith(later)]
