"""Fetches datasets: resumes, checks what came, unpacks, never asks."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

from gnn_readout.data.sources import archives, molecules, omniglot
from gnn_readout.errors import suggest
from gnn_readout.files import atomic_directory, check_writable, naming

_OGB = "http://snap.stanford.edu/ogb/data/graphproppred/csv_mol_download"
_TU = "https://www.chrsmrrs.com/graphkerneldatasets"
_OMNIGLOT = (
  "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
)
_CHUNK = 1 << 16


class Source(NamedTuple):
  """Where a dataset comes from and where it goes.

  Attributes:
    url: Of the zip.
    inside: The folder of the zip that holds the dataset.
    folder: What that folder becomes, below the data folder. The zip, fetched
      or put there by hand, lies beside it under the name it has in `url`.
  """

  url: str
  inside: str
  folder: str


class Zips(NamedTuple):
  """Zips that stay zips: their reader takes them as they are.

  Attributes:
    urls: Of the zips. A zip holds one folder, which has its name.
    folder: Where they go, below the data folder.
  """

  urls: tuple[str, ...]
  folder: str


def _ogb(name: str, archive: str) -> Source:
  return Source(f"{_OGB}/{archive}.zip", archive, f"ogb/{name}")


SOURCES = {
  "ogbg-molbace": _ogb("ogbg_molbace", "bace"),
  "ogbg-molbbbp": _ogb("ogbg_molbbbp", "bbbp"),
  "ogbg-molchembl": _ogb("ogbg_molchembl", "chembl"),
  "ogbg-molclintox": _ogb("ogbg_molclintox", "clintox"),
  "ogbg-molesol": _ogb("ogbg_molesol", "esol"),
  "ogbg-molfreesolv": _ogb("ogbg_molfreesolv", "freesolv"),
  "ogbg-molhiv": _ogb("ogbg_molhiv", "hiv"),
  "ogbg-mollipo": _ogb("ogbg_mollipo", "lipophilicity"),
  "ogbg-molmuv": _ogb("ogbg_molmuv", "muv"),
  "ogbg-molpcba": _ogb("ogbg_molpcba", "pcba"),
  "ogbg-molsider": _ogb("ogbg_molsider", "sider"),
  "ogbg-moltox21": _ogb("ogbg_moltox21", "tox21"),
  "ogbg-moltoxcast": _ogb("ogbg_moltoxcast", "toxcast"),
}

ZIPS = {
  name: Zips(tuple(f"{_OMNIGLOT}/{part}.zip" for part in parts), "omniglot")
  for name, parts in omniglot.DATASETS.items()
}


def source_of(dataset: str) -> Source:
  """Returns where a dataset that is unpacked comes from.

  Args:
    dataset: A name of `SOURCES`, or `tu/NAME` for any of the TU collection.

  Raises:
    ValueError: If there is no such dataset, as far as the name tells.
  """
  if match := re.fullmatch(r"tu/([\w-]+)", dataset):
    name = match[1]
    return Source(f"{_TU}/{name}.zip", name, f"tu/{name}")
  if dataset not in SOURCES:
    known = suggest(dataset, [*SOURCES, *ZIPS, "tu/NAME"])
    raise ValueError(f"Unknown dataset {dataset!r}.{known}")
  return SOURCES[dataset]


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
    dataset: A name of `SOURCES` or `ZIPS`, or `tu/NAME` for any of the TU
      collection.
    data_dir: The data folder.
    base_url: A mirror's folder, to be used instead of the original one.
    max_unpacked: The most bytes the zip may claim to unpack to.
    timeout: Seconds without an answer after which the server counts as gone.

  Returns:
    The folder that holds the dataset.

  Raises:
    ValueError: If the name is unknown, the folder holds a stand-in, or the
      zip is broken or not to be trusted.
    OSError: If the zip cannot be fetched, or not all of it, or the data
      folder cannot be written.
  """
  if dataset in ZIPS:
    return _download_zips(dataset, data_dir, base_url, max_unpacked, timeout)
  source = source_of(dataset)
  folder = pathlib.Path(data_dir) / source.folder
  if molecules.is_standin(folder):
    raise ValueError(
      f"{folder} holds a {molecules.STANDIN} for {dataset}: delete it, or use"
      " another data folder for the real one"
    )
  if folder.is_dir() and any(folder.iterdir()):
    print(f"{dataset} is already there: {folder}")
    return folder
  name = source.url.rpartition("/")[2]
  path = folder.parent / name
  check_writable(folder.parent)
  by_hand = path.is_file()
  if by_hand:
    print(f"Using {path}")
  else:
    fetch(_mirrored(source.url, base_url), path, timeout)
  unpack(path, source.inside, folder, max_unpacked)
  if not by_hand:
    path.unlink()
  print(f"{dataset} is ready: {folder}")
  return folder


def _download_zips(
  dataset: str,
  data_dir: str | os.PathLike[str],
  base_url: str | None,
  max_unpacked: float,
  timeout: float,
) -> pathlib.Path:
  """Brings the zips of a dataset into their folder, and checks them there."""
  source = ZIPS[dataset]
  folder = pathlib.Path(data_dir) / source.folder
  for url in source.urls:
    path = folder / url.rpartition("/")[2]
    if path.is_file():
      print(f"Using {path}")
    else:
      check_writable(folder)
      fetch(_mirrored(url, base_url), path, timeout)
    with archives.damage_named(path), zipfile.ZipFile(path) as archive:
      archives.members(archive, path, path.stem, max_unpacked)
      if damaged := archive.testzip():
        raise zipfile.BadZipFile(f"{damaged} does not match its checksum")
  print(f"{dataset} is ready: {folder}")
  return folder


def _mirrored(url: str, base_url: str | None) -> str:
  """Returns the URL of the same file in the folder of a mirror, if any."""
  if not base_url:
    return url
  return f"{base_url.rstrip('/')}/{url.rpartition('/')[2]}"


def fetch(url: str, path: pathlib.Path, timeout: float = 30.0) -> None:
  """Downloads `url` to `path`, going on from `path`.part if that is there.

  Args:
    url: Of a file, http or https.
    path: Where the file goes when all of it has come.
    timeout: Seconds without an answer after which the server counts as gone.

  Raises:
    ValueError: If `url` is neither http nor https.
    OSError: If the server cannot be reached, has no such file, or sends less
      than it announced. What has come stays in `path`.part.
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
      request.add_header("If-Range", version.read_text())
  try:
    response = urllib.request.urlopen(request, timeout=timeout)
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
      f"{response.url} was asked for the bytes from {start} on and sent "
      f"{extent!r}: delete {part} and run the same command again."
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
    path.write_text(tag)


def _with_progress(
  response: http.client.HTTPResponse, name: str, start: int, total: int | None
) -> Iterator[bytes]:
  """Yields what the server sends until it ends or breaks off, with a bar."""
  from rich import console, progress

  columns = (
    progress.TextColumn("{task.description}"),
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
