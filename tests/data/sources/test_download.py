"""Downloads from a server of this test, whole, cut, false and hostile."""

from __future__ import annotations

import csv
import hashlib
import http.server
import importlib.util
import io
import json
import os
import pathlib
import random
import shutil
import stat
import subprocess
import sys
import threading
import zipfile

import pytest

from gnn_readout.data.sources import download, molecules, omniglot

ROOT = pathlib.Path(__file__).parents[3]
DATASET = "ogbg-molpcba"
MEMBERS = {
  "pcba/RELEASE_v1.txt": b"",
  "pcba/processed/": b"",
  "pcba/raw/edge.csv.gz": bytes(range(256)) * 1031,
  "pcba/raw/num-node-list.csv.gz": random.Random(0).randbytes(70_001),
  "pcba/split/scaffold/train.csv.gz": b"0\n1\n",
  "__MACOSX/._pcba": b"not wanted",
}


def _zip(members: dict[str | zipfile.ZipInfo, bytes]) -> bytes:
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, data in members.items():
      archive.writestr(name, data)
  return buffer.getvalue()


class _Server(http.server.ThreadingHTTPServer):
  """Serves `body` as `name` and does wrong what it is told to."""

  daemon_threads = True
  name = "pcba.zip"
  body = _zip(MEMBERS)
  ranges = True  # Answers ranges with 206.
  tag = '"one"'
  cut = None  # Sends that many bytes and hangs up.
  extent = None  # Claims this Content-Range.
  sends_on = ""  # To this URL.

  def __init__(self):
    super().__init__(("127.0.0.1", 0), _Handler)
    self.url = f"http://127.0.0.1:{self.server_port}/mirror/"
    self.log: list[tuple[int, str | None]] = []


class _Handler(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    server, asked = self.server, self.headers["Range"]
    if server.sends_on:
      self.send_response(302)
      self.send_header("Location", server.sends_on)
      self.send_header("Content-Length", "0")
      self.end_headers()
      return
    body, status, first = server.body, 200, 0
    if self.path != f"/mirror/{server.name}":
      status, body = 404, b"no such file"
    elif (
      asked and server.ranges and self.headers["If-Range"] in (None, server.tag)
    ):
      first = int(asked.removeprefix("bytes=").removesuffix("-"))
      status = 206 if first < len(body) else 416
      total, body = len(body), body[first:]
    server.log.append((status, asked))
    self.send_response(status)
    self.send_header("Content-Length", str(len(body)))
    if server.tag:
      self.send_header("ETag", server.tag)
    if status == 206:
      extent = server.extent or f"bytes {first}-{total - 1}/{total}"
      self.send_header("Content-Range", extent)
    self.end_headers()
    self.wfile.write(body[: server.cut])

  def log_message(self, *_):
    pass


@pytest.fixture
def server(monkeypatch):
  monkeypatch.setenv("no_proxy", "*")
  with _Server() as server:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join(10)


def _get(server, root, **kwargs):
  return download.download(DATASET, root, server.url, timeout=60, **kwargs)


def _assert_whole(folder, members=MEMBERS):
  assert folder.name == "ogbg_molpcba"
  for name, data in members.items():
    if name.startswith("pcba/") and not name.endswith("/"):
      assert (folder / name.removeprefix("pcba/")).read_bytes() == data
  assert (folder / "processed").is_dir()
  # Neither zip nor part nor temporary folder is left beside it.
  assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def _cut(server, root, size=40_009):
  """Leaves a part of `size` bytes."""
  server.cut = size
  with pytest.raises(OSError, match=r"broke off after 40,009 of .* resume"):
    _get(server, root)
  server.cut = None
  ogb = root / "ogb"
  assert (ogb / "pcba.zip.part").read_bytes() == server.body[:size]
  assert not (ogb / "pcba.zip").exists() and not (ogb / "ogbg_molpcba").exists()


def test_sources_are_ogbs():
  folder = pathlib.Path(importlib.util.find_spec("ogb").origin).parent
  with open(folder / "graphproppred/master.csv") as file:
    header, *rows = csv.reader(file)
  rows = {row[0]: row[1:] for row in rows}
  for i, name in enumerate(header[1:]):
    if name.startswith("ogbg-mol"):
      archive = download.archive_of(name)
      # The same, by the scheme that tells who answers.
      url = rows["url"][i].replace("http://", "https://")
      assert archive.urls == (url,)
      assert archive.inside == rows["download_name"][i]
      assert archive.folder == "ogb/" + name.replace("-", "_")
  count = sum("ogbg-mol" in n for n in header)
  assert len(molecules.OGB_DATASETS) == count


def test_fetches_and_unpacks(server, tmp_path, capsys):
  folder = _get(server, tmp_path)
  _assert_whole(folder)
  assert folder == tmp_path / "ogb/ogbg_molpcba"
  assert f"{DATASET} is ready: {folder}" in capsys.readouterr().out
  assert server.log == [(200, None)]


def test_existing_needs_no_network(server, tmp_path, capsys):
  raw = tmp_path / "ogb/ogbg_molpcba/raw"
  raw.mkdir(parents=True)
  _get(server, tmp_path)
  assert "already there" in capsys.readouterr().out
  assert not server.log


def test_resumes_after_a_cut(server, tmp_path):
  _cut(server, tmp_path)
  _assert_whole(_get(server, tmp_path))
  assert server.log == [(200, None), (206, "bytes=40009-")]


def test_resumes_without_a_tag(server, tmp_path):
  server.tag = None
  _cut(server, tmp_path)
  _assert_whole(_get(server, tmp_path))
  assert server.log[-1] == (206, "bytes=40009-")


def test_starts_over_where_ranges_are_ignored(server, tmp_path):
  _cut(server, tmp_path)
  server.ranges = False
  _assert_whole(_get(server, tmp_path))
  assert server.log[-1] == (200, "bytes=40009-")


def test_starts_over_when_the_file_has_changed(server, tmp_path):
  _cut(server, tmp_path)
  members = MEMBERS | {"pcba/raw/edge.csv.gz": b"changed" * 9_001}
  server.body, server.tag = _zip(members), '"two"'
  _assert_whole(_get(server, tmp_path), members)


def test_starts_over_when_the_part_is_too_long(server, tmp_path):
  (tmp_path / "ogb").mkdir()
  (tmp_path / "ogb/pcba.zip.part").write_bytes(bytes(len(server.body) + 3))
  _assert_whole(_get(server, tmp_path))
  assert [status for status, _ in server.log] == [416, 200]


@pytest.mark.parametrize("extent", ["bytes 7-9/10", "none", "bytes 40009-50/x"])
def test_wrong_range_is_named_and_part_kept(server, tmp_path, extent):
  _cut(server, tmp_path)
  server.extent = extent
  with pytest.raises(OSError, match="from 40009 onwards and sent"):
    _get(server, tmp_path)
  assert (tmp_path / "ogb/pcba.zip.part").stat().st_size == 40_009


def test_wrong_total_size(server, tmp_path):
  _cut(server, tmp_path)
  server.extent = f"bytes 40009-{len(server.body)}/{len(server.body) + 1}"
  with pytest.raises(OSError, match="broke off"):
    _get(server, tmp_path)


def test_cut_twice_still_arrives(server, tmp_path):
  _cut(server, tmp_path)
  server.cut = 10_007
  with pytest.raises(OSError, match="broke off after 50,016"):
    _get(server, tmp_path)
  server.cut = None
  _assert_whole(_get(server, tmp_path))


def test_what_came_is_written_down(server, tmp_path):
  _get(server, tmp_path)
  url = download.archive_of(DATASET).urls[0]
  assert json.loads((tmp_path / "downloads.json").read_text()) == {
    url: {
      "bytes": len(server.body),
      "sha256": hashlib.sha256(server.body).hexdigest(),
    }
  }


def test_what_comes_later_must_be_the_same(server, tmp_path):
  folder = _get(server, tmp_path)
  shutil.rmtree(folder)
  _assert_whole(_get(server, tmp_path))
  shutil.rmtree(folder)
  whole = server.body
  server.body = _zip(MEMBERS | {"pcba/raw/edge.csv.gz": b"another"})
  for _ in range(2):  # The zip stays where it is; the message says what to do.
    with pytest.raises(
      ValueError, match="is not the file that was downloaded"
    ) as error:
      _get(server, tmp_path)
    message = str(error.value)
    for words in (
      f"{len(server.body):,} bytes",
      hashlib.sha256(server.body).hexdigest(),
      hashlib.sha256(whole).hexdigest(),
      str(tmp_path / "downloads.json"),
      str(tmp_path / "ogb" / "pcba.zip"),
    ):
      assert words in message
    assert not folder.exists()
  (tmp_path / "ogb" / "pcba.zip").unlink()
  server.body = whole
  _assert_whole(_get(server, tmp_path))


def test_a_broken_zip_is_not_written_down(server, tmp_path):
  whole, server.body = server.body, b"<html>log in</html>"
  with pytest.raises(ValueError, match="not a complete, readable zip"):
    _get(server, tmp_path)
  assert not (tmp_path / "downloads.json").exists()
  (tmp_path / "ogb" / "pcba.zip").unlink()
  server.body = whole
  _assert_whole(_get(server, tmp_path))


@pytest.mark.parametrize("text", ["{", "[]", "[" * 9_999])
def test_a_damaged_list_of_what_came(server, tmp_path, text):
  (tmp_path / "downloads.json").write_text(text)
  with pytest.raises(ValueError, match=r"downloads.json is damaged: .* delete"):
    _get(server, tmp_path)


@pytest.mark.parametrize(
  "url", ["https://127.0.0.1:1/pcba.zip", "ftp://127.0.0.1/x", "file:///etc/x"]
)
def test_no_redirect_to_another_scheme(server, tmp_path, url):
  server.sends_on = url
  with pytest.raises(OSError) as error:
    _get(server, tmp_path)
  message = str(error.value)
  assert url in message and "\n" not in message
  assert "refused" in message or "not allowed" in message
  assert not (tmp_path / "downloads.json").exists()


def test_a_redirect_within_a_scheme(server, tmp_path):
  with _Server() as other:
    thread = threading.Thread(target=other.serve_forever, args=(0.01,))
    thread.start()
    server.sends_on = f"{other.url}pcba.zip"
    _assert_whole(_get(server, tmp_path))
    other.shutdown()
    thread.join(10)


def test_all_sources_are_fetched_by_https():
  names = ["ogbg-molhiv", "tu/MUTAG", "omniglot", "omniglot-small"]
  urls = [url for name in names for url in download.archive_of(name).urls]
  assert all(url.startswith("https://") for url in urls)


def _offline(root, url):
  with pytest.raises(OSError) as error:
    download.download(DATASET, root, url, timeout=0.5)
  message = str(error.value)
  assert f"{url}/pcba.zip" in message and "\n" not in message
  assert str(root / "ogb/pcba.zip") in message
  assert not (root / "ogb/ogbg_molpcba").exists()
  return message


def test_refused_connection_says_what_to_do(tmp_path, monkeypatch):
  monkeypatch.setenv("no_proxy", "*")
  assert "refused" in _offline(tmp_path, "http://127.0.0.1:1")


def test_unknown_host_says_what_to_do(tmp_path, monkeypatch):
  monkeypatch.setenv("no_proxy", "*")
  _offline(tmp_path, "http://host.invalid")


def test_silent_server_says_what_to_do(tmp_path, monkeypatch):
  monkeypatch.setenv("no_proxy", "*")
  # Bound but never answered: the connection waits in the backlog.
  with http.server.HTTPServer(("127.0.0.1", 0), _Handler) as silent:
    url = f"http://127.0.0.1:{silent.server_port}"
    assert "timed out" in _offline(tmp_path, url)


def test_absent_on_server(server, tmp_path):
  server.url += "elsewhere"
  with pytest.raises(OSError, match=r"elsewhere/pcba.zip \(HTTP Error 404"):
    _get(server, tmp_path)


@pytest.mark.parametrize("url", ["file:///tmp", "ftp://host", "mirror"])
def test_only_http(tmp_path, url):
  with pytest.raises(ValueError, match="http:// or https://"):
    download.download(DATASET, tmp_path, url)


def test_unknown_dataset(tmp_path):
  with pytest.raises(ValueError, match="Did you mean 'ogbg-molpcba'"):
    download.download("ogbg-molpbca", tmp_path)


def _by_hand(root, data):
  (root / "ogb").mkdir()
  path = root / "ogb/pcba.zip"
  path.write_bytes(data)
  return path


def test_zip_put_there_by_hand_needs_no_network(tmp_path):
  path = _by_hand(tmp_path, _zip(MEMBERS))
  folder = download.download(DATASET, tmp_path, "http://127.0.0.1:1")
  assert path.exists()  # It is the user's own.
  path.unlink()
  _assert_whole(folder)


def _refused(root, members, match, **kwargs):
  data = members if isinstance(members, bytes) else _zip(members)
  path = _by_hand(root, data)
  with pytest.raises(ValueError, match=match) as error:
    download.download(DATASET, root, **kwargs)
  assert str(path) in str(error.value)
  # Nothing was unpacked, here or elsewhere.
  assert [p.name for p in root.rglob("*")] == ["ogb", "pcba.zip"]


@pytest.mark.parametrize(
  "name",
  ["/tmp/evil", "../evil", "pcba/../../evil", "pcba/raw/..", "pcba\\..\\evil"],
)
def test_member_out_of_its_folder(tmp_path, name):
  _refused(tmp_path, MEMBERS | {name: b"evil"}, "lies outside its folder")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_link_or_device(tmp_path, kind):
  info = zipfile.ZipInfo("pcba/raw/link")
  info.create_system = 3
  info.external_attr = (kind | 0o777) << 16
  _refused(
    tmp_path, MEMBERS | {info: b"/etc"}, "is neither a file nor a folder"
  )


def test_too_large_unless_allowed(tmp_path):
  members = MEMBERS | {"pcba/raw/zeros": bytes(2_000_003)}
  path = tmp_path / "ogb/pcba.zip"
  _refused(tmp_path, members, "max_unpacked_gb", max_unpacked=1_000_003)
  assert path.stat().st_size < 1_000_003
  download.download(DATASET, tmp_path, max_unpacked=3_000_017)


def test_other_folder_inside(tmp_path):
  _refused(
    tmp_path, {"tox21/raw/edge.csv.gz": b""}, "no folder 'pcba' but tox21"
  )


TU_MEMBERS = {
  "MUTAG/MUTAG_A.txt": b"1, 2\n2, 1\n" * 9_001,
  "MUTAG/MUTAG_graph_labels.txt": random.Random(2).randbytes(30_011),
}


def test_the_tu_collection(server, tmp_path):
  server.name, server.body = "MUTAG.zip", _zip(TU_MEMBERS)
  server.cut = 20_011
  with pytest.raises(OSError, match=r"broke off after 20,011 of .* resume"):
    download.download("tu/MUTAG", tmp_path, server.url, timeout=60)
  server.cut = None
  folder = download.download("tu/MUTAG", tmp_path, server.url, timeout=60)
  assert server.log == [(200, None), (206, "bytes=20011-")]
  assert folder == tmp_path / "tu/MUTAG"
  for name, data in TU_MEMBERS.items():
    assert (tmp_path / "tu" / name).read_bytes() == data
  assert [path.name for path in folder.parent.iterdir()] == ["MUTAG"]


def test_any_name_of_the_tu_collection_has_a_source():
  archive = download.archive_of("tu/REDDIT-MULTI-5K")
  address = "https://www.chrsmrrs.com/graphkerneldatasets"
  assert archive.urls == (f"{address}/REDDIT-MULTI-5K.zip",)
  assert archive.inside == "REDDIT-MULTI-5K"
  assert archive.folder == "tu/REDDIT-MULTI-5K"
  for name in ("tu/", "tu/../x", "tu/a/b", "tu/a.b"):
    with pytest.raises(ValueError, match="Unknown dataset"):
      download.archive_of(name)


def test_the_tu_collection_offline(tmp_path, monkeypatch):
  monkeypatch.setenv("no_proxy", "*")
  with pytest.raises(OSError) as error:
    download.download("tu/MUTAG", tmp_path, "http://127.0.0.1:1", timeout=0.5)
  message = str(error.value)
  assert "http://127.0.0.1:1/MUTAG.zip" in message and "\n" not in message
  assert str(tmp_path / "tu/MUTAG.zip") in message


OMNIGLOT = {
  "images_background": {"images_background/Greek/01/1.png": b"one" * 5_003},
  "images_evaluation": {"images_evaluation/Malay/01/1.png": b"two" * 5_009},
}


def test_zips_that_stay_zips(server, tmp_path):
  folder = tmp_path / "omniglot"
  folder.mkdir()
  bodies = {f"{name}.zip": _zip(OMNIGLOT[name]) for name in OMNIGLOT}
  server.name = "images_evaluation.zip"
  server.body = bodies[server.name]
  by_hand = folder / "images_background.zip"
  by_hand.write_bytes(bodies[by_hand.name])
  for _ in range(2):
    assert download.download("omniglot", tmp_path, server.url) == folder
  assert server.log == [(200, None)]
  assert {p.name: p.read_bytes() for p in folder.iterdir()} == bodies
  # These are the files the reader looks for.
  assert [f"{n}.zip" for n in omniglot.DATASETS["omniglot"]] == list(bodies)


def _flipped(name="pcba/raw/a"):
  data = bytearray(_zip({name: random.Random(1).randbytes(10_007)}))
  data[5_003] ^= 1
  return bytes(data)


@pytest.mark.parametrize(
  ("body", "match"),
  [
    (_zip({"other/1.png": b""}), "no folder 'images_background' but other"),
    (b"<html>log in</html>", "not a complete, readable zip"),
    (_flipped("images_background/1.png"), "1.png: Bad CRC-32"),
  ],
  ids=["other", "html", "flipped"],
)
def test_zips_that_stay_zips_are_checked(server, tmp_path, body, match):
  server.name, server.body = "images_background.zip", body
  path = tmp_path / "omniglot/images_background.zip"
  with pytest.raises(ValueError, match=match) as error:
    download.download("omniglot", tmp_path, server.url)
  assert str(path) in str(error.value)


def _encrypted():
  data = _zip({"pcba/raw/a": b"secret"})
  # The flag of the local and of the central header.
  for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
    at = data.index(mark) + offset
    data = data[:at] + b"\1" + data[at + 1 :]
  return data


@pytest.mark.parametrize(
  "data",
  [
    b"",
    b"<html>log in</html>",
    _zip(MEMBERS)[:-1009],
    _flipped(),
    _encrypted(),
  ],
  ids=["empty", "html", "truncated", "flipped", "encrypted"],
)
def test_broken_zip(tmp_path, data):
  _refused(tmp_path, data, "not a complete, readable zip")


def _launch(*flags):
  return subprocess.run(
    [sys.executable, "-m", "launch.download", *flags],
    cwd=ROOT,
    env=os.environ | {"no_proxy": "*"},
    capture_output=True,
    text=True,
    timeout=600,
  )


def test_binary(server, tmp_path):
  flags = f"--dataset={DATASET}", f"--data_dir={tmp_path}"
  server.cut = 30_011
  broken = _launch(*flags, f"--url={server.url}")
  assert broken.returncode == 1
  assert broken.stderr.splitlines()[-1].startswith("error: http://127.0.0.1")
  assert "Traceback" not in broken.stderr
  server.cut = None
  whole = _launch(*flags, f"--url={server.url}")
  assert whole.returncode == 0, whole.stderr
  _assert_whole(tmp_path / "ogb/ogbg_molpcba")
  assert server.log[-1][0] == 206
  again = _launch(*flags)
  assert again.returncode == 0 and "already there" in again.stdout


def test_binary_refuses_a_bomb(tmp_path):
  _by_hand(tmp_path, _zip(MEMBERS))
  flags = f"--dataset={DATASET}", f"--data_dir={tmp_path}"
  done = _launch(*flags, "--max_unpacked_gb=0.0001")
  assert done.returncode == 1
  assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
