"""Decoded sets, noisy digits and scenes, from synthetic records."""

from __future__ import annotations

from gnn_readout.report.blocks import Table
from gnn_readout.report.sections import decoded_sets


def test_decoders_of_digits_are_beside_table_6_1(on_sets):
  records = [
    on_sets(
      "set_prediction", "fspool", seed, value + 0.01 * seed, lower=True,
      data="digits", input="set", scores={"set_loss": 0.0002},
      model={"decoder": decoder, "num_steps": 10},
    )
    for decoder, value in (("mlp", 0.3), ("dspn", 0.1), ("lstm", 0.101))
    for seed in (0, 1)
  ]  # fmt: skip
  _, best, _, table, *_ = decoded_sets.set_prediction(records)
  assert best == (
    "At data digits, input set, dspn fspool decodes best of 3, with a test mse"
    " of 0.105; not significantly different: lstm."
  )
  shown = [(row["model"], row["published"]) for row in table.rows]
  assert shown == [
    ("dspn fspool", "9e-05 ± 1e-05"), ("lstm", "0.00049 ± 0.00019"),
    ("mlp", "0.00021 ± 0.00018"),
  ]  # fmt: skip


def test_runs_of_other_lengths_are_not_compared(on_sets):
  records = [
    on_sets(
      "set_prediction", "fspool", 0, value, lower=True, data="polygons",
      input="set", num_points=8, num_steps=steps, model={"decoder": decoder},
    )
    for steps, decoder, value in (
      (3_000, "dspn", 0.1), (3_000, "mlp", 0.2),
      (1_000, "dspn", 0.3), (1_000, "lstm", 0.4),
    )
  ]  # fmt: skip
  _, long, short, *_ = decoded_sets.set_prediction(records)
  common = "At data polygons, num points 8, input set"
  best = "dspn fspool decodes best of 2"
  assert long.startswith(f"{common}, 3,000 steps, {best}")
  assert short.startswith(f"{common}, 1,000 steps, {best}")


def test_noisy_digits(on_sets):
  records = [
    on_sets(
      "denoising", name, value=value, lower=True, noise=noise,
      model={"decoder": decoder},
    )
    for noise in (0.0, 0.05)
    for name, decoder, value in (("sum", "mlp", 0.3), ("max", "lstm", 0.2))
  ]  # fmt: skip
  _, one, other, table, *_ = decoded_sets.denoising(records)
  assert one.startswith("At noise 0.0, max,lstm reconstructs best of 2")
  assert other.endswith("mse of 0.2; too few seeds ran to tell them apart.")
  published = {
    (row["model"], row["noise"]): row["published"] for row in table.rows
  }
  assert published["sum,mlp", "0.05"] == "0.00031 ± 4e-05"
  assert published["max,lstm", "0.05"] == ""


def test_scenes_by_readout_and_steps(on_sets):
  def scene(name, decoder, value, **scores):
    return on_sets(
      "scenes", name, value=value, lower=True, target="box", scores=scores,
      loss_of_all_steps=True,
      model={"decoder": decoder, "num_steps": 10, "test_num_steps": [10, 20]},
    )  # fmt: skip

  records = [
    scene("fspool", "mlp", 0.3, ap50=0.5, ap90=0.25),
    scene(
      "fspool", "dspn", 0.1, ap50=0.75, ap90=0.125, ap50_20=0.875, ap90_20=0.1
    ),
    scene("max", "dspn", 0.2, ap50=0.1, ap90=0.0, ap50_20=0.0, ap90_20=0.0),
  ]
  _, best, precise, table, scores, *_ = decoded_sets.scenes(records)
  assert "dspn fspool decodes best" in best
  assert precise == (
    "The most precise at target box, in percent: AP50 dspn fspool after 20"
    " steps (87.5), AP90 mlp (25.0)."
  )
  assert isinstance(table, Table) and isinstance(scores, Table)
  ours = [
    (row["model"], row["steps"], row["AP50"], row["AP90"])
    for row in table.rows
    if row["source"] == "ours"
  ]
  assert ours == [
    ("dspn fspool", "10", "75.0", "12.5"),
    ("dspn fspool", "20", "87.5", "10.0"),
    ("dspn max", "10", "10.0", "0.0"), ("dspn max", "20", "0.0", "0.0"),
    ("mlp", "", "50.0", "25.0"),
  ]  # fmt: skip
  thesis = {
    (row["model"], row["steps"]): row["AP50"]
    for row in table.rows
    if row["source"] != "ours"
  }
  assert thesis == {
    ("dspn fspool", "10"): "94.0",
    ("dspn fspool", "20"): "98.0",
    ("mlp", ""): "87.6",
  }
