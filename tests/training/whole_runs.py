"""Whole runs in this process, and what they leave."""

from __future__ import annotations

import json
import os
import signal

from gnn_readout.data import batches
from gnn_readout.training import trainer


def train(config, workdir, **more):
  """Returns the record of a lone run, or None if a signal stopped it."""
  found = trainer.train(config, workdir, **more)
  return found and found[0]


def interrupt(monkeypatch, step, number=signal.SIGTERM):
  """Sends this process a signal when it asks for the batch of a step."""
  real = batches.train_batches

  def train_batches(*args, **kwargs):
    for item in real(*args, **kwargs):
      if item[0] == step:
        os.kill(os.getpid(), number)
      yield item

  monkeypatch.setattr(batches, "train_batches", train_batches)


def values(workdir, key):
  lines = (workdir / "metrics.jsonl").read_text().splitlines()
  lines = [line for line in map(json.loads, lines) if key in line]
  return [(line["step"], line[key]) for line in lines]


def steps(workdir, key):
  return [step for step, _ in values(workdir, key)]
