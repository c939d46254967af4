from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from dokunuki.corpus import fetch as fetching
from dokunuki.corpus.fetch import RELEASES, fetch, fetch_release
from dokunuki.errors import ConfigError, CorpusError

CONTENT = np.random.default_rng(3).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """A web server on the loopback interface, told how to misbehave by its attributes."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True  # whether it understands the Range header
        self.break_after = None  # bytes of a body after which it hangs up
        self.status = None  # an error to answer with
        self.lengths = True  # whether it announces the length
        self.content_range = True  # whether a partial answer says where it starts
        self.requests = []  # the Range header of each request

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/ember.tar.bz2"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        if server.status:
            self.send_error(server.status)
            return
        start = 0
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            if server.content_range:
                total = len(server.content)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        body = server.content[start:]
        if server.lengths:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.break_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "releases" / "ember.tar.bz2"


def partial_of(target):
    return target.with_name("ember.tar.bz2.partial")


def test_a_plain_download(server, target):
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_an_interrupted_download_resumes(server, target):
    server.break_after = 120_000
    with pytest.raises(
        CorpusError, match=r"broke after 120000 of 300000 bytes.*run the same command again"
    ):
        fetch(server.url, SHA256, target)
    assert not target.exists()
    assert partial_of(target).read_bytes() == CONTENT[:120_000]
    server.break_after = None
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=120000-"]
    assert list(target.parent.iterdir()) == [target]


def test_a_server_without_ranges_starts_again(server, target):
    server.ranges, server.break_after = False, 120_000
    with pytest.raises(CorpusError, match="broke after"):
        fetch(server.url, SHA256, target)
    server.break_after = None
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_does_not_tell_the_length(server, target):
    server.lengths = False
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT


def test_a_complete_partial_file_only_gets_its_name(server, target):
    target.parent.mkdir()
    partial_of(target).write_bytes(CONTENT)
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT


def test_a_partial_file_of_something_else_is_deleted(server, target):
    target.parent.mkdir()
    partial_of(target).write_bytes(b"x" * 1000)
    with pytest.raises(CorpusError, match="it was deleted; fetch it again"):
        fetch(server.url, SHA256, target)
    assert not list(target.parent.iterdir())
    fetch(server.url, SHA256, target)
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum(server, target):
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(CorpusError, match=f"is [0-9a-f]{{64}}, not {SHA256}"):
        fetch(server.url, SHA256, target)
    assert not list(target.parent.iterdir())


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_refuses(server, target, status):
    server.status = status
    with pytest.raises(CorpusError, match=f"the server answers {status} .*check the address"):
        fetch(server.url, SHA256, target)
    assert not list(target.parent.iterdir())


def test_a_refusal_keeps_what_was_received(server, target):
    target.parent.mkdir()
    partial_of(target).write_bytes(CONTENT[:1000])
    server.status = 503
    with pytest.raises(CorpusError, match="503"):
        fetch(server.url, SHA256, target)
    assert partial_of(target).read_bytes() == CONTENT[:1000]


def test_a_partial_answer_without_its_place(server, target):
    target.parent.mkdir()
    partial_of(target).write_bytes(CONTENT[:1000])
    server.content_range = False
    with pytest.raises(CorpusError, match="does not say where it starts"):
        fetch(server.url, SHA256, target)


def test_no_server(server, target):
    url = server.url
    server.server_close()
    with pytest.raises(CorpusError, match=r"the download failed.*run the same command again"):
        fetch(url, SHA256, target)


def test_other_addresses_are_refused(target):
    with pytest.raises(CorpusError, match="only http and https"):
        fetch("file:///etc/hostname", SHA256, target)


def test_what_is_there_is_not_fetched_again(server, target):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    fetch(server.url, SHA256, target)
    assert server.requests == []
    target.write_bytes(b"something else")
    with pytest.raises(CorpusError, match="delete it and fetch it again"):
        fetch(server.url, SHA256, target)


def test_releases_by_name(server, target, monkeypatch):
    monkeypatch.setitem(
        fetching.RELEASES, "small", fetching.PublishedRelease(server.url, SHA256, 1)
    )
    fetch_release("small", target)
    assert target.read_bytes() == CONTENT
    with pytest.raises(ConfigError, match="known: ember2017-v1, ember2017-v2, ember2018-v2"):
        fetch_release("ember2016", target)


def test_the_published_table():
    assert [release.version for release in RELEASES.values()] == [1, 2, 2]
    assert all(len(bytes.fromhex(release.sha256)) == 32 for release in RELEASES.values())
    assert all(release.url.startswith("https://") for release in RELEASES.values())
