"""A Slurm of one node, for tests, from Debian's packages."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest

from tests.waiting import wait_for

_PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")

# `urgent` takes the node from `main`, whose jobs are requeued.
_CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
DebugFlags=NO_CONF_HASH
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=1000
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=0,\
batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
OverTimeLimit=0
MinJobAge=600
ReturnToService=2
SlurmdTimeout=300
MaxArraySize=1001
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE PriorityTier=10 \
PreemptMode=OFF
"""


@contextlib.contextmanager
def running() -> Iterator[None]:
  """Starts a cluster whose commands work while the block runs.

  Skips the test, and says why, where there is no Slurm and it cannot be
  installed.
  """
  _install()
  # A short path, for the socket.
  with (
    tempfile.TemporaryDirectory(
      prefix="slurm", ignore_cleanup_errors=True
    ) as root,
    _started(pathlib.Path(root)),
  ):
    yield


@contextlib.contextmanager
def _started(root: pathlib.Path) -> Iterator[None]:
  host = socket.gethostname().split(".")[0]
  memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
  text = _CONFIG.format(
    root=root,
    host=host,
    ports=_free_ports(),
    cpus=os.cpu_count(),
    memory=memory * 9 // 10,
  )
  (root / "slurm.conf").write_text(text.replace("\\\n", ""))
  (root / "state").mkdir()
  (root / "spool").mkdir()
  key = root / "munge.key"
  key.write_bytes(os.urandom(128))
  key.chmod(0o600)
  before = os.environ.get("SLURM_CONF")
  os.environ["SLURM_CONF"] = str(root / "slurm.conf")
  try:
    _call(
      "munged",
      "--force",
      f"--key-file={key}",
      f"--socket={root}/munge.socket",
      f"--pid-file={root}/munged.pid",
      f"--log-file={root}/munged.log",
      f"--seed-file={root}/munged.seed",
    )
    _call("slurmctld", "-c")
    _call("slurmd", "-c")
    wait_for(lambda: "idle" in _call("sinfo", "-h", "-p", "main", "-o", "%T"))
    yield
  finally:
    subprocess.run(["scancel", f"--user={os.getuid()}"], check=False)
    for name in ("slurmd", "slurmctld", "munged"):
      _stop(root / f"{name}.pid")
    os.environ.pop("SLURM_CONF")
    if before is not None:
      os.environ["SLURM_CONF"] = before


def _install() -> None:
  if all(map(shutil.which, _PROGRAMS)):
    return
  if not shutil.which("apt-get") or os.getuid():
    pytest.skip("no Slurm here, and only root on Debian can install it")
  done = subprocess.run(
    [
      *("apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y"),
      *("--no-install-recommends", *_PACKAGES),
    ],
    env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode or not all(map(shutil.which, _PROGRAMS)):
    said = done.stderr.strip().splitlines()[-1:]
    pytest.skip(f"Slurm cannot be installed here: {said}")


def _free_ports() -> list[int]:
  with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
    for each in sockets:
      each.bind(("127.0.0.1", 0))
    return [each.getsockname()[1] for each in sockets]


def _call(*words: str) -> str:
  done = subprocess.run(words, capture_output=True, text=True, check=False)
  assert done.returncode == 0 or words[0] == "sinfo", done.stderr
  return done.stdout


def _stop(pid_file: pathlib.Path) -> None:
  with contextlib.suppress(OSError, ValueError):
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM)
    for _ in range(100):  # It is not a child: its end shows in /proc.
      if not pathlib.Path(f"/proc/{pid}").exists():
        return
      time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
