"""Commands that stand for training runs, and what they leave."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from gnn_readout.sweeps.jobs import LOG, Job, last_line

_ROOT = pathlib.Path(__file__).parents[2]

# It saves every step, resumes from the last, and on SIGTERM ends with status 0.
# After a step it waits while its folder has a file `wait`, until it is told to
# stop, or a file `deaf`, whatever it is told.
FAKE_RUN = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
step = len(list(folder.glob("saved*")))
print(f"start {step}", flush=True)
while step < 5 and not stop:
  step += 1
  (folder / f"saved{step}").touch()
  print(f"step {step}/5", flush=True)
  while (folder / "deaf").exists() or (folder / "wait").exists() and not stop:
    time.sleep(0.01)
if step == 5:
  (folder / "record").touch(exist_ok=False)
print("end", flush=True)
"""


def is_complete(job):
  """Whether a fake run has reached its last step."""
  return (job.folder / "record").exists()


def saved_step(job):
  """The step that a fake run resumes from."""
  return len(list(job.folder.glob("saved*")))


def jobs(folder, count):
  """Returns the jobs run0, run1 and so on, in folders of these names."""
  return [
    Job(
      f"run{i}",
      [sys.executable, "-S", "-c", FAKE_RUN, f"{folder}/run{i}"],
      pathlib.Path(folder, f"run{i}"),
    )
    for i in range(count)
  ]


def launch(file, folder):
  """Starts a test module as the launcher of its jobs in a folder."""
  return subprocess.Popen(
    [sys.executable, file, str(folder)],
    env={**os.environ, "PYTHONPATH": str(_ROOT)},
    stdout=subprocess.PIPE,
    text=True,
    start_new_session=True,
  )


def says(folder, line):
  """Whether the log of a job ends with a line."""
  log = folder / LOG
  return log.exists() and last_line(log) == line
