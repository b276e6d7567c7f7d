"""The sections of the results: the one table of all that is known of them.

They import `results` and `figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gnn_readout.records import Record
from gnn_readout.report.blocks import Block
from gnn_readout.report.sections import (
  ablations,
  agreement,
  costs,
  decoded_sets,
  findings,
  inner_loop,
  more_steps,
  orders,
  polygons,
  readouts,
  runs,
  sets,
  speed,
  table2,
  tasks,
  tu,
)


class Row(NamedTuple):
  """What is known of a section.

  Attributes:
    title: Its heading.
    make: Records of all kinds -> what to read; nothing if there is no record
      of its own among them.
    records: What those are called where there is none.
    command: What makes such records.
    file: The Markdown file in which it stands, README.md or its own.
  """

  title: str
  make: Callable[[Sequence[Record]], Sequence[Block]]
  records: str
  command: str
  file: str = "README.md"


# In the order of the page.
SECTIONS: dict[str, Row] = {
  "findings": Row(
    "What was found",
    findings.make,
    "two runs that a paper compares",
    "python -m launch.sweep --sweep=configs/molpcba.py:table2 --workdir=DIR"
    " --records=results/records",
  ),
  "table2": Row(
    "Readouts on molecules (Table 2)",
    table2.make,
    "record of a row of Table 2",
    "python -m launch.sweep --sweep=configs/molpcba.py:table2 --workdir=DIR"
    " --records=results/records",
  ),
  "ablations": Row(
    "Ablations (tables E.1 to E.4)",
    ablations.make,
    "runs that differ in one ablation",
    ablations.SWEEP.format("ablation_steps"),
  ),
  "inner_loop": Row(
    "The inner loop (Figures 5 and 6)",
    inner_loop.make,
    "record with the curves of an inner loop",
    "python -m launch.train --config=configs/molpcba.py:gcn,equilibrium"
    " --workdir=DIR",
  ),
  "more_steps": Row(
    "More inner steps in testing than in training",
    more_steps.make,
    "runs that differ in `model.readout.test_num_steps`",
    "python -m launch.sweep --sweep=configs/counting.py:more_steps"
    " --workdir=DIR --records=results/records",
  ),
  "tu": Row(
    "Graph classification (table 5.10 of Zhang's thesis)",
    tu.make,
    "record of a cross-validation",
    "python -m launch.crossval --config=configs/tu.py:MUTAG,fspool"
    " --protocol=fspool2019 --workdir=DIR --records=results/records",
  ),
  "median": Row(
    "Median of a set of numbers (Figure 3 of the paper)",
    tasks.median,
    "record of task 'median' with a score",
    "python -m launch.train --config=configs/median.py --workdir=DIR",
  ),
  "omniglot": Row(
    "How many characters a set of drawings shows (Figure 4b of the paper)",
    tasks.omniglot,
    "record of task 'omniglot' with a score",
    "python -m launch.train --config=configs/omniglot.py --workdir=DIR",
  ),
  "polygons": Row(
    "Auto-encoders of rotating polygons",
    polygons.make,
    "record of task 'polygons' with a score",
    "python -m launch.train --config=configs/polygons.py:fspool,direct"
    " --workdir=DIR",
  ),
  "counting": Row(
    "Counting squares that overlap (Zhang's thesis)",
    sets.counting,
    "record of task 'counting' with a score",
    "python -m launch.train --config=configs/counting.py:module --workdir=DIR",
  ),
  "mnist_sets": Row(
    "Digits as sets of points (Zhang's thesis)",
    sets.mnist_sets,
    "record of task 'mnist_sets' with a score",
    "python -m launch.train --config=configs/mnist_sets.py:fspool"
    " --workdir=DIR",
  ),
  "set_prediction": Row(
    "Sets decoded from vectors (Zhang's thesis)",
    decoded_sets.set_prediction,
    "record of task 'set_prediction' with a score",
    "python -m launch.train --config=configs/set_prediction.py:polygons,dspn"
    " --workdir=DIR",
  ),
  "scenes": Row(
    "Objects of synthetic scenes, in place of CLEVR (Zhang's thesis)",
    decoded_sets.scenes,
    "record of task 'scenes' with a score",
    "python -m launch.train --config=configs/scenes.py:box,dspn --workdir=DIR",
  ),
  "denoising": Row(
    "Digits reconstructed without noise (table 5.4 of Zhang's thesis)",
    decoded_sets.denoising,
    "record of task 'denoising' with a score",
    "python -m launch.train --config=configs/denoising.py:fspool,fspool"
    " --workdir=DIR",
  ),
  "sorting": Row(
    "Sorting numbers by a learned order (section 4.4.1 of Zhang's thesis)",
    orders.sorting,
    "record of task 'sorting' with a score",
    "python -m launch.train --config=configs/sorting.py:po_u --workdir=DIR",
  ),
  "mosaics": Row(
    "Mosaics restored (table 4.1 and table 4.2 of Zhang's thesis)",
    orders.mosaics,
    "record of task 'mosaics' with a score",
    "python -m launch.train --config=configs/mosaics.py:po_u,digits"
    " --workdir=DIR",
  ),
  "agreement": Row(
    "Whether tasks rank the readouts alike",
    agreement.make,
    "two tasks with five readouts in common",
    "python -m launch.sweep --sweep=configs/mnist_sets.py:readouts"
    " --workdir=DIR --records=results/records",
  ),
  "costs": Row(
    "What a readout costs and how well it scores",
    costs.make,
    "record of the costs, and a task on which eight readouts ran",
    "python -m launch.sweep --sweep=configs/molpcba.py:screens_readouts"
    " --workdir=DIR --records=results/records",
  ),
  "readouts": Row(
    "Readouts",
    readouts.make,
    "record of the benchmark 'readout_card'",
    "python -m launch.benchmark readout_card --record",
    "readouts.md",
  ),
  "speed": Row(
    "Speed",
    speed.make,
    "record of a rate",
    speed.COMMAND,
    "speed.md",
  ),
  "runs": Row(
    "All runs",
    runs.make,
    "run records",
    "python -m launch.train --config=configs/molpcba.py:gcn,sum"
    " --workdir=runs/gcn_sum",
    "runs.md",
  ),
}
