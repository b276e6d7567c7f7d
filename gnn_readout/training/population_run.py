"""A config with a `population`, trained on a dataset of graphs."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from gnn_readout import metrics, models, records
from gnn_readout.data.store import GraphStore
from gnn_readout.files import atomic_write_text
from gnn_readout.runs import checkpoints, settings
from gnn_readout.runs.progress import ProgressLine, duration
from gnn_readout.runs.signals import stop_signals
from gnn_readout.training import evaluation, members, population

_SAVE_SECONDS = 60.0


def train(
  config: ConfigDict,
  workdir: str | os.PathLike[str],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  command: str = "",
) -> list[dict[str, Any]] | None:
  """Trains all members of a population, or goes on with them.

  Args:
    config: With a `population`, such as
      "seed=0,1,2 optimizer.learning_rate=1e-4,1e-3".
    workdir: The folder of the run; members/NAME/ becomes what the folder of a
      run of that member alone would be: config.json, its best checkpoint, and
      record.json.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    command: What to type to repeat the run, for the records.

  Returns:
    The records, or None if SIGTERM or SIGINT stopped the run.

  Raises:
    ValueError: If the configuration, the dataset or what the folder already
      holds does not allow the run, or every member had to be given up.
    OSError: If a file is missing or cannot be written.
  """
  config = config.copy_and_resolve_references()
  workdir = pathlib.Path(workdir)
  configs = members.expand(config)
  for member in configs:
    settings.check(member)
  settings.check_workdir(workdir, settings.as_json(config))
  names = members.names(config)
  folders = [workdir / "members" / name for name in names]
  if all((folder / "record.json").exists() for folder in folders):
    print(f"{workdir} holds this run, complete: nothing to do")
    return [settings.read_json(f / "record.json") for f in folders]
  stores = [settings.load_dataset(c, data_dir, cache_dir) for c in configs]
  evaluation.check_scorable(stores[0], ("valid", "test"))
  text = json.dumps(settings.as_json(config), indent=1)
  atomic_write_text(workdir / "config.json", text + "\n")
  groups = population.programs(configs, stores)
  print(
    f"{stores[0].schema.name}: {len(configs)} members in {len(groups)}"
    f" programs, in {workdir}",
    flush=True,
  )
  finished: dict[int, dict[str, Any]] = {}
  with stop_signals() as stop:
    for number, group in enumerate(groups):
      program = population.Program(
        [configs[i] for i in group],
        [stores[i] for i in group],
        ("valid",),
        keep_best=True,
      )
      folder = workdir / "programs" / str(number)
      if not _run(program, folder, stop, f"program {number + 1}/{len(groups)}"):
        return None
      for m, i in enumerate(group):
        facts = {"command": command, "name": f"{workdir.name}-{names[i]}"}
        finished[i] = _finish(program, m, stores[i], folders[i], facts)
  return [finished[i] for i in range(len(configs))]


def _run(
  program: population.Program,
  folder: pathlib.Path,
  stop: Sequence[str],
  title: str,
) -> bool:
  """Trains one program; whether it came to its end."""
  program.restore(folder)
  first, saved = program.step, time.monotonic()
  began = saved
  with ProgressLine(program.num_steps) as progress:
    if first:
      progress.say(f"{title}: going on from the checkpoint of step {first}")

    def describe(step: int) -> str:
      seconds = time.monotonic() - began
      left = seconds / max(step - first, 1) * (program.num_steps - step)
      words = [f"{title}  step {step:,}/{program.num_steps:,}"]
      best = [c.best["valid"] for c in program.curves if c.best]
      if best:
        words.append(f"best valid of each {min(best):.4f} to {max(best):.4f}")
      return "  ".join([*words, f"ETA {duration(left)}"])

    def save(step: int) -> None:
      nonlocal saved
      if time.monotonic() - saved > _SAVE_SECONDS:
        program.save(folder)
        saved = time.monotonic()

    done = program.run(
      lambda step: progress.show(step, lambda: describe(step)), stop, save
    )
    program.save(folder)
    if not done:
      progress.say(
        f"{stop[0]}: saved step {program.step}; the same command goes on from"
        " there"
      )
  return done


def _finish(
  program: population.Program,
  m: int,
  store: GraphStore,
  folder: pathlib.Path,
  facts: dict[str, Any],
) -> dict[str, Any]:
  """Tests a member at its best step; writes its checkpoint and record."""
  config, curves = program.configs[m], program.curves[m]
  if not curves.best:
    raise ValueError(
      f"{facts['name']}: {curves.failure}; a smaller optimizer.learning_rate"
      " may help"
    )
  state, step = program.best_state(m), int(curves.best["step"])
  predictions = evaluation.predict_split(
    evaluation.make_predict(models.build_model(config.model, store.schema)),
    state.params,
    state.model_state,
    store,
    "test",
    config.eval_batch_size,
  )
  metric = store.schema.metric
  score = metrics.evaluate(metric, predictions.labels, predictions.logits)
  fields = settings.as_json(config)
  config_hash = settings.config_hash(fields)
  checkpoints.save(
    folder,
    "best",
    step,
    state,
    {
      "config_hash": config_hash,
      "schema": store.schema.to_json(),
      "curves": dataclasses.asdict(curves),
    },
  )
  text = json.dumps(fields, indent=1)
  atomic_write_text(folder / "config.json", text + "\n")
  seconds = max(curves.seconds, 1e-9)
  padding = [
    1 - real / max(padded, 1)
    for real, padded in zip(curves.real, curves.padded, strict=True)
  ]
  print(
    f"{facts['name']}: test {metric} {score.value:.5f}, at step {step}, the"
    f" best on valid ({curves.best['valid']:.5f})"
    + (f"; {curves.failure}" if curves.failure else "")
  )
  # Speeds are the member's share: all members of the program trained at once.
  return records.write(
    folder,
    {
      "kind": "run",
      "problem": "graph_property",
      **facts,
      "config": fields,
      "config_hash": config_hash,
      **records.environment(),
      "seed": config.seed,
      "dataset": records.dataset_facts(store),
      "num_parameters": program.num_parameters,
      "steps": program.num_steps,
      "epochs": program.num_steps / program.steps_per_epoch,
      "curves": {
        "train": curves.train,
        "valid": curves.scores["valid"],
        "diagnostics": curves.diagnostics,
      },
      "best": curves.best,
      "test": {
        "metric": metric,
        "value": score.value,
        "scores": {metric: score.value},
        "num_tasks_scored": score.num_tasks_scored,
        "step": step,
      },
      "wall_seconds": seconds / len(program.configs),
      "steps_per_second": len(program.configs) * program.num_steps / seconds,
      "graphs_per_second": len(program.configs) * curves.real[0] / seconds,
      "num_members": len(program.configs),
      "num_devices": program.mesh.size,
      "padding": dict(zip(("graphs", "nodes", "edges"), padding, strict=True)),
      "num_compiled_shapes": len(curves.shapes),
      "lower_is_better": not metrics.higher_is_better(metric),
      "failure": curves.failure,
      "describe": {},
      "note": config.note,
    },
  )
