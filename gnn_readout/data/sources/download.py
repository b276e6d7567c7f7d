"""Fetches datasets: resumes, checks what came, unpacks, never asks.

Neither OGB nor the TU collection nor Omniglot publishes checksums of its zips.
What came at the first download is therefore written down in the data folder,
and every later one of the same file must be the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import Any

from gnn_readout.data import sources
from gnn_readout.data.sources import archives, molecules
from gnn_readout.data.sources.base import Archive
from gnn_readout.errors import brief, suggest
from gnn_readout.files import (
  atomic_directory,
  atomic_write_text,
  check_writable,
  naming,
  read_object,
)

_CHUNK = 1 << 16
KNOWN = "downloads.json"  # In the data folder: what came, by its URL.


def archive_of(dataset: str) -> Archive:
  """Returns what a dataset is fetched as, from the table of sources.

  Raises:
    ValueError: If there is no such dataset, as far as the name tells.
  """
  fetched = [source for source in sources.SOURCES if source.archive]
  for source in fetched:
    if source.matches(dataset) and (archive := source.archive(dataset)):
      return archive
  known = [name for source in fetched for name in source.known]
  raise ValueError(
    f"Unknown dataset {dataset!r}.{suggest(dataset, [*known, 'tu/NAME'])}"
  )


def download(
  dataset: str,
  data_dir: str | os.PathLike[str],
  base_url: str | None = None,
  max_unpacked: float = archives.MAX_UNPACKED,
  timeout: float = 30.0,
) -> pathlib.Path:
  """Brings a dataset into the data folder unless it is there already.

  A zip that lies in its place is used as it is, without the network.

  Args:
    dataset: One that a row of `sources.SOURCES` says how to fetch.
    data_dir: The data folder.
    base_url: A mirror's folder, to be used instead of the original one.
    max_unpacked: The most bytes the zip may claim to unpack to.
    timeout: Seconds without an answer after which the server counts as gone.

  Returns:
    The folder that holds the dataset.

  Raises:
    ValueError: If the name is unknown, the folder holds a stand-in, or the
      zip is broken, not to be trusted, or not what was fetched before.
    OSError: If the zip cannot be fetched, or not all of it, or the data
      folder cannot be written.
  """
  archive = archive_of(dataset)
  folder = pathlib.Path(data_dir) / archive.folder
  known = pathlib.Path(data_dir) / KNOWN

  def bring(url: str, path: pathlib.Path) -> bool:
    """Returns whether the zip had to be fetched."""
    is_there = path.is_file()
    if is_there:
      print(f"Using {path}")
    else:
      check_writable(path.parent)
      if archive.requirement and not base_url:
        fetch_wheel(archive.requirement, path, timeout)
      else:
        fetch(_mirrored(url, base_url), path, timeout)
    _compare(known, url, path)
    return not is_there

  if archive.inside:
    if molecules.is_standin(folder):
      raise ValueError(
        f"{folder} holds a {molecules.STANDIN} for {dataset}: delete it, or"
        " choose another --data_dir for the real dataset"
      )
    if folder.is_dir() and any(folder.iterdir()):
      print(f"{dataset} is already there: {folder}")
      return folder
    (url,) = archive.urls
    path = folder.parent / url.rpartition("/")[2]
    check_writable(folder.parent)
    fetched = bring(url, path)
    unpack(path, archive.inside, folder, max_unpacked)
    if fetched:
      _remember(known, url, path)
      path.unlink()
  else:
    for url in archive.urls:
      path = folder / url.rpartition("/")[2]
      fetched = bring(url, path)
      if archive.check:
        archive.check(path)
      else:
        archives.check(path, path.stem, max_unpacked)
      if fetched:
        _remember(known, url, path)
  print(f"{dataset} is ready: {folder}")
  return folder


def _facts(path: pathlib.Path) -> dict[str, Any]:
  """Returns size and SHA-256 of a file."""
  with open(path, "rb") as file:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
  return {"bytes": path.stat().st_size, "sha256": digest}


def _read_known(known: pathlib.Path) -> dict[str, Any]:
  """Returns what came before, by URL."""
  try:
    return read_object(known)
  except FileNotFoundError:
    return {}
  except ValueError as error:
    raise ValueError(
      f"{known} is damaged: {error}; delete it to trust the next download"
    ) from error


def _compare(known: pathlib.Path, url: str, path: pathlib.Path) -> None:
  """Raises ValueError if the file is not what came from there before."""
  before = _read_known(known).get(url)
  if before is None:
    return
  now = _facts(path)
  if now != before:
    raise ValueError(
      f"{path} is not the file that was downloaded before: it has"
      f" {now['bytes']:,} bytes and SHA-256 {now['sha256']}, {known} says"
      f" {json.dumps(before)}; delete the file to download it again, or that"
      " entry if a new version was published"
    )


def _remember(known: pathlib.Path, url: str, path: pathlib.Path) -> None:
  """Writes down what came, once it has turned out to be a whole dataset."""
  facts = {**_read_known(known), url: _facts(path)}
  atomic_write_text(known, json.dumps(facts, indent=1, sort_keys=True) + "\n")


def _mirrored(url: str, base_url: str | None) -> str:
  """Returns the URL of the same file in the folder of a mirror, if any."""
  if not base_url:
    return url
  return f"{base_url.rstrip('/')}/{url.rpartition('/')[2]}"


def fetch(url: str, path: pathlib.Path, timeout: float = 30.0) -> None:
  """Downloads `url` to `path`, resuming from `path`.part if that is there.

  Args:
    url: URL of a file, http or https.
    path: Where the file goes when all of it has come.
    timeout: Seconds without an answer after which the server counts as gone.

  Raises:
    ValueError: If `url` is neither http nor https.
    OSError: If the server cannot be reached, has no such file, sends on to a
      URL of another kind, or sends less than it announced. What has come stays
      in `path`.part.
  """
  if not url.startswith(("http://", "https://")):
    raise ValueError(f"A URL starts with http:// or https://, got {url!r}.")
  path.parent.mkdir(parents=True, exist_ok=True)
  part = path.with_name(f"{path.name}.part")
  version = path.with_name(f"{path.name}.part.version")
  start = part.stat().st_size if part.exists() else 0
  request = urllib.request.Request(url)
  if start:
    request.add_header("Range", f"bytes={start}-")
    if version.exists():  # Another version of the file is sent from its start.
      request.add_header("If-Range", version.read_text(encoding="latin-1"))
  opener = urllib.request.build_opener(_SameScheme(url))
  try:
    response = opener.open(request, timeout=timeout)
  except (OSError, http.client.HTTPException) as error:
    if start and getattr(error, "code", None) == 416:
      # The part is no shorter than the file. That may be the whole file, but
      # a kill in that moment is too rare to be worth more than a new start.
      part.unlink()
      return fetch(url, path, timeout)
    raise OSError(
      f"Cannot fetch {url} ({error}). Fetch it on another machine or from a "
      f"mirror, put it at {path} and run the same command again."
    ) from error
  with response:
    start, total = _extent(response, start, part)
    with naming(part), open(part, "ab" if start else "wb") as file:
      if not start:
        _remember_version(response, version)
      for chunk in _with_progress(response, path.name, start, total):
        file.write(chunk)
  size = part.stat().st_size
  if total is not None and size != total:
    raise OSError(
      f"{url} broke off after {size:,} of {total:,} bytes: run the same "
      "command again to resume."
    )
  os.replace(part, path)
  version.unlink(missing_ok=True)


def fetch_wheel(
  requirement: str, path: pathlib.Path, timeout: float = 30.0
) -> None:
  """Has pip download the wheel of a package, and installs nothing.

  Args:
    requirement: The package and its version, as pip has it.
    path: Where the wheel goes, under its own name.
    timeout: Seconds without an answer after which the server counts as gone.

  Raises:
    OSError: If pip is not there, cannot fetch the wheel, or brings another.
  """
  command = [
    sys.executable, "-m", "pip", "download", "--no-deps", "--no-input",
    "--disable-pip-version-check", "--only-binary=:all:", "--quiet",
    f"--timeout={timeout:g}",
  ]  # fmt: skip
  advice = (
    f"Fetch it on another machine by pip download --no-deps {requirement}, put"
    f" it at {path} and run the same command again."
  )
  path.parent.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(dir=path.parent) as folder:
    done = subprocess.run(
      [*command, f"--dest={folder}", requirement],
      capture_output=True,
      text=True,
      stdin=subprocess.DEVNULL,
    )
    if done.returncode:
      lines = done.stderr.strip().splitlines()
      reason = brief(lines[-1] if lines else f"status {done.returncode}", 200)
      raise OSError(f"pip cannot fetch {requirement} ({reason}). {advice}")
    wheel = pathlib.Path(folder) / path.name
    if not wheel.is_file():
      found = ", ".join(sorted(file.name for file in wheel.parent.iterdir()))
      raise OSError(
        f"pip downloaded {found or 'nothing'}, expected {path.name}. {advice}"
      )
    os.replace(wheel, path)


class _SameScheme(urllib.request.HTTPRedirectHandler):
  """Follows redirects, but none to a URL that begins otherwise."""

  def __init__(self, url: str):
    self._scheme = urllib.parse.urlsplit(url).scheme

  def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
    url = arguments[-1]
    if urllib.parse.urlsplit(url).scheme != self._scheme:
      raise OSError(
        f"the redirect to {url} is refused because it is not {self._scheme}"
      )
    return super().redirect_request(*arguments)


def unpack(
  path: pathlib.Path,
  inside: str,
  folder: pathlib.Path,
  max_unpacked: float = archives.MAX_UNPACKED,
) -> None:
  """Unpacks the folder `inside` of a zip to `folder`, whole or not at all.

  Args:
    path: The zip.
    inside: A folder at the zip's top level; what lies beside it is left out.
    folder: Where it goes.
    max_unpacked: The most bytes the zip may claim to unpack to.

  Raises:
    ValueError: If the zip is broken, too large, has no such folder, or has a
      member that is a link or lies outside of the folder unpacked to.
  """
  with archives.damage_named(path), zipfile.ZipFile(path) as archive:
    members = archives.members(archive, path, inside, max_unpacked)
    with atomic_directory(folder) as work:
      for info in members:
        target = work.joinpath(*info.filename.split("/")[1:])
        if info.is_dir():
          target.mkdir(parents=True, exist_ok=True)
          continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
          archives.damage_named(path, info.filename),
          archive.open(info) as source,
          naming(folder),
          open(target, "wb") as file,
        ):
          shutil.copyfileobj(source, file)  # Compares the checksum too.


def _extent(
  response: http.client.HTTPResponse, start: int, part: pathlib.Path
) -> tuple[int, int | None]:
  """Returns where the answer starts in the file, and the file's size."""
  if response.status != 206:  # The whole file: the server ignored the range.
    length = response.headers["Content-Length"]
    return 0, int(length) if length else None
  extent = response.headers["Content-Range"] or ""
  match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", extent)
  if not match or int(match[1]) != start:
    raise OSError(
      f"{response.url} was asked for the bytes from {start} onwards and sent"
      f" {extent!r}: delete {part} and run the same command again."
    )
  return start, None if match[2] == "*" else int(match[2])


def _remember_version(
  response: http.client.HTTPResponse, path: pathlib.Path
) -> None:
  """Writes what tells this version of the file from others, if anything."""
  tag = response.headers["ETag"]
  if tag is None or tag.startswith("W/"):  # Weak tags do not vouch for bytes.
    tag = response.headers["Last-Modified"]
  path.unlink(missing_ok=True)
  if tag:
    with naming(path):  # Headers are Latin-1.
      path.write_text(tag, encoding="latin-1")


def _with_progress(
  response: http.client.HTTPResponse, name: str, start: int, total: int | None
) -> Iterator[bytes]:
  """Yields what the server sends until it ends or breaks off, with a bar."""
  from rich import console, progress

  columns = (
    progress.TextColumn("{task.description}", markup=False),
    progress.BarColumn(),
    progress.DownloadColumn(),
    progress.TransferSpeedColumn(),
    progress.TimeRemainingColumn(),
  )
  with progress.Progress(*columns, console=console.Console(stderr=True)) as bar:
    task = bar.add_task(name, total=total, completed=start)
    # A broken connection is an early end: the caller compares the size.
    with contextlib.suppress(OSError, http.client.HTTPException):
      while chunk := response.read(_CHUNK):
        yield chunk
        bar.advance(task, len(chunk))
