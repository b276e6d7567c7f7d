r"""The figure of README.md: what a readout costs, and how well it scores.

  python -m documentation.cost_figure

writes it to docs/images/, from the records in results/.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from documentation.readout_pages import ROOT, costs
from gnn_readout import records
from gnn_readout.files import atomic_write_bytes
from gnn_readout.records import metric_name
from gnn_readout.report.figures import style
from gnn_readout.report.results import molecules
from gnn_readout.report.results.selection import Selection, select
from gnn_readout.report.sections import readouts, table2
from gnn_readout.statistics.t_tests import half_width

_WIDTH = 128  # D of the runs, the width at which most readouts ran.
_SEEDS = 2  # Rows with fewer have no interval.


def rows() -> dict[str, list[Selection]]:
  """Returns the rows of Table 2 with GCN and several seeds, by dataset."""
  everything = records.read_folder(ROOT / "results" / "records", "run")
  runs = filter(molecules.is_scored, molecules.runs(everything.values()))
  found: dict[str, list[Selection]] = {}
  for row in table2.members(select(runs)):
    width = row.record["config"]["model"]["message_passing"]["width"]
    is_shown = molecules.model_name(row.record) == "gcn" and width == _WIDTH
    if is_shown and len(row.runs) >= _SEEDS:
      found.setdefault(row.record["dataset"]["name"], []).append(row)
  return found


def draw(
  by_dataset: Mapping[str, Sequence[Selection]], cost: Mapping[str, float]
) -> dict[str, bytes]:
  """Returns the figure's files by extension.

  Args:
    by_dataset: From `rows`.
    cost: From `readouts.costs`.
  """
  names = sorted(
    {molecules.readout_name(r.record) for rs in by_dataset.values() for r in rs}
  )
  looks = style.looks(names)
  with style.context():
    figure = style.empty(height=2.1)
    panels = figure.subplots(1, len(by_dataset), squeeze=False)[0]
    for axes, (dataset, several) in zip(
      panels, by_dataset.items(), strict=True
    ):
      for row in several:
        name = molecules.readout_name(row.record)
        axes.errorbar(
          cost[name],
          statistics.fmean(row.tests),
          yerr=half_width(row.tests),
          color=looks[name].color,
          marker=looks[name].marker,
          markersize=5,
          linewidth=1,
          label=name,
        )
      metric = several[0].metric
      axes.set_title(style.plain(dataset), fontsize=7.5)
      axes.set_xscale("log")
      axes.set_xlim(0.4, 3 * max(cost[name] for name in names))
      axes.set_xlabel("cost relative to sum")
      axes.set_ylabel(f"test {metric_name(metric)}")
    most = max(panels, key=lambda axes: len(axes.containers))
    handles = most.get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=len(names))
    return style.save(figure)


def main() -> None:
  """Writes the figure."""
  files = draw(rows(), readouts.costs(costs()))
  for extension, data in files.items():
    name = f"cost_and_score.{extension}"
    atomic_write_bytes(ROOT / "docs" / "images" / name, data)


if __name__ == "__main__":
  main()
