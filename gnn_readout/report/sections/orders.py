"""Orders that are learned: numbers that are sorted, and mosaics restored."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gnn_readout.records import Record, field
from gnn_readout.report.blocks import Block, Table
from gnn_readout.report.results import published
from gnn_readout.report.results.selection import Selection
from gnn_readout.report.results.tasks import label, rows
from gnn_readout.report.sections import set_rows

_IMAGES = {"mnist-sets": "digits", "mnist-sets-full": "digits"}


def sorting(records: Sequence[Record]) -> list[Block]:
  """Makes the section of numbers sorted by a learned order."""
  found = sorted(
    rows(records, "sorting"), key=lambda row: (label(row), _sizes(row))
  )
  fields = {"N": "set_size", "test N": "test_set_size"}
  return found and [
    "Share of the sets that are sorted without a mistake, by interval of the"
    " numbers, decoded by the Hungarian method on -P as published and on -log"
    " P. The published PO-U makes no mistake on any interval."
    f" {set_rows.HOW.format(task='sorting')}",
    *_sorted(found, "-P", is_log=False),
    *_sorted(found, "-log P", is_log=True),
    *(
      Table(
        f"Share sorted without a mistake by the Hungarian method on {decoding}",
        [_shares(row, is_log) for row in found],
      )
      for decoding, is_log in (("-P", False), ("-log P", True))
    ),
    *set_rows.table(
      found,
      "sorting",
      fields,
      hidden=[
        name.replace("_", " ")
        for row in found
        for name in set_rows.scores(row)
        if name.startswith("sorted_")
      ],
    ),
  ]


def mosaics(records: Sequence[Record]) -> list[Block]:
  """Makes the section of mosaics of digits and characters."""
  found = set_rows.ordered(rows(records, "mosaics"))
  if not found:
    return []
  groups = set_rows.by_setting(found, ("dataset", "side"))
  return [
    "Tiles of images brought back to their places: the share of images without"
    " a mistake, and the mean squared error, in units of the images' variance."
    f" {set_rows.HOW.format(task='mosaics')}",
    *(
      sentence
      for setting, group in groups.items()
      for sentence in set_rows.leader(setting, group, "restores")
    ),
    *set_rows.table(
      sorted(found, key=_setting),
      "mosaics",
      {"images": "dataset", "R": "side"},
      extra=_published_mosaics,
    ),
  ]


def _setting(row: Selection) -> tuple[str, int]:
  return field(row.record, "dataset"), field(row.record, "side")


def _published_mosaics(row: Selection) -> dict[str, str]:
  dataset, side = _setting(row)
  own = set_rows.scores(row)
  cells = {}
  for metric in ("accuracy", "mse"):
    value = published.of_sets(
      "mosaics", label(row), f"{_IMAGES.get(dataset)} {side}", metric
    )
    if metric != row.metric:
      cells[metric] = f"{own[metric]:.3g}"
    cells[f"{metric}, published"] = set_rows.printed(value)
  return cells


def _sizes(row: Selection) -> tuple[int, int]:
  size = field(row.record, "set_size")
  return field(row.record, "test_set_size") or size, size


def _by_interval(row: Selection, is_log: bool) -> dict[str, float]:
  """Returns shares by interval, such as '[0, 1]'."""
  form = re.compile(r"sorted_log_(.+)_(.+)" if is_log else r"sorted_(.+)_(.+)")
  found = {}
  for name, value in set_rows.scores(row).items():
    is_own = name.startswith("sorted_log_") == is_log
    if is_own and (match := form.fullmatch(name)):
      found["[{}, {}]".format(*match.groups())] = value
  return found


def _shares(row: Selection, is_log: bool) -> dict[str, str]:
  """Returns a row of the table of a decoding, with a cell for each interval."""
  test_size, size = _sizes(row)
  shares = _by_interval(row, is_log)
  return {
    "model": label(row),
    "N": f"{size}",
    "test N": f"{test_size}",
    **{interval: f"{share:.3g}" for interval, share in shares.items()},
  }


def _sorted(
  found: Sequence[Selection], decoding: str, is_log: bool
) -> list[str]:
  """Returns which model sorts all sets of all intervals, and of which N."""
  perfect: dict[str, list[int]] = {}
  wrong: dict[str, list[int]] = {}
  for row in found:
    shares = _by_interval(row, is_log)
    if shares:
      side = perfect if min(shares.values()) == 1 else wrong
      side.setdefault(label(row), []).append(_sizes(row)[0])
  clauses = []
  for name in sorted(perfect | wrong):
    parts = [
      f"{does} at N = {', '.join(map(str, side[name]))}"
      for does, side in (
        ("sorts all sets of all intervals", perfect),
        ("makes mistakes", wrong),
      )
      if name in side
    ]
    clauses.append(f"{name} {' and '.join(parts)}")
  return clauses and [f"Decoded by {decoding}: {'; '.join(clauses)}."]
