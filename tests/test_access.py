"""Who may come in, and the limits of what strangers send, over real sockets."""

from __future__ import annotations

import gzip
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the extra 'server' is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from doors import LOCAL, problem, say, served

from dialogue.assistant import Assistant
from dialogue.errors import ConfigurationError
from dialogue.server import Gate, Limits, gate_of, need_guarded, read_tokens

ALL, KITCHEN = "a" * 24, "k" * 24


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# who may\n{ALL}\n\n{KITCHEN} kitchen-\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def guarded(assistant: Assistant, tokens: Path) -> Iterator[Any]:
    with served(assistant, gate=Gate(read_tokens(tokens))) as client:
        yield client


def shown(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# --- addresses --------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.9"])
def test_this_machine_is_served(host: str) -> None:
    """Without a token and without a flag, addressed by its own names only."""
    need_guarded(host, tokens=False, expose=False)
    assert gate_of(host, (), expose=False, limits=Limits()).names > {"localhost"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_other_machines_are_not_served_by_mistake(host: str) -> None:
    """An address others can reach needs tokens or the flag."""
    with pytest.raises(ConfigurationError, match=r"--tokens FILE.*--expose"):
        need_guarded(host, tokens=False, expose=False)
    need_guarded(host, tokens=True, expose=False)
    need_guarded(host, tokens=False, expose=True)


# --- tokens -----------------------------------------------------------------------------


def test_a_known_token_is_wanted(guarded: Any) -> None:
    """For everything but whether the server runs."""
    for path in ("/v1/home", "/v1/grammar", "/metrics", "/openapi.json", "/v1/conversations/me"):
        for headers in ({}, shown("x" * 24), {"authorization": f"Basic {ALL}"}):
            answer = guarded.get(path, headers=headers)
            assert problem(answer, 401)["where"] == "header authorization"
            assert answer.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/health").status_code == guarded.get("/ready").status_code == 200
    assert guarded.get("/v1/home", headers=shown(ALL)).status_code == 200


def test_a_token_opens_its_own_conversations_only(guarded: Any) -> None:
    """Another's is not read, written, deleted or seen in the home."""
    said = {"text": "remind me to feed the wombat at nine"}
    assert guarded.post("/v1/conversations/me/turns", json=said, headers=shown(ALL)).status_code == 200
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/turns"), ("POST", "/steps/x/undo")):
        answer = guarded.request(method, f"/v1/conversations/me{path}", json=said, headers=shown(KITCHEN))
        assert "'kitchen-'" in problem(answer, 403)["how"]
        assert "wombat" not in answer.text
    assert "wombat" not in guarded.get("/v1/home", headers=shown(KITCHEN)).text
    assert "wombat" in guarded.get("/v1/home", headers=shown(ALL)).text
    mine = guarded.post("/v1/conversations/kitchen-1/turns", json=said, headers=shown(KITCHEN))
    assert mine.status_code == 200


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no token"),
        ("short", ":1: the token is shorter"),
        (f"{ALL} a b", ":1: not a token and a prefix"),
    ],
)
def test_a_bad_token_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    """With file and line, and never with the token itself."""
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=told) as raised:
        read_tokens(path)
    assert ALL not in str(raised.value)


def test_tokens_that_others_may_read_are_refused(tokens: Path) -> None:
    tokens.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_tokens(tokens)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_tokens(tokens / "none")


def test_requests_are_counted_for_each_token(assistant: Assistant, tokens: Path) -> None:
    """One that asks too often waits; the other does not."""
    with served(assistant, gate=Gate(read_tokens(tokens), limits=Limits(rate=1.0))) as client:
        statuses = [client.get("/v1/home", headers=shown(ALL)).status_code for _ in range(5)]
        assert statuses[:2] == [200, 200]
        assert 429 in statuses
        refused = client.get("/v1/home", headers=shown(ALL))
        if refused.status_code == 429:
            assert refused.headers["retry-after"] == "1"
        assert client.get("/v1/home", headers=shown(KITCHEN)).status_code == 200


# --- browsers ---------------------------------------------------------------------------


def test_pages_of_other_sites_are_refused(assistant: Assistant) -> None:
    """No header opens the door to them, and what their browser sends anyway is not served."""
    with served(assistant) as client:
        evil = {"origin": "https://evil.example"}
        assert problem(client.get("/v1/home", headers=evil), 403)["where"] == "header origin"
        asked = client.options("/v1/parse", headers={**evil, "access-control-request-method": "POST"})
        assert asked.status_code == 405
        own = client.get("/v1/home", headers={"origin": str(client.base_url).rstrip("/")})
        for answer in (asked, own):
            assert not [name for name in answer.headers if name.startswith("access-control")]
        assert own.status_code == 200
        assert own.headers["x-content-type-options"] == "nosniff"
        assert own.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in own.headers["content-security-policy"]


# --- limits -----------------------------------------------------------------------------


def test_packed_and_deep_bodies_are_refused(assistant: Assistant) -> None:
    """Before anything is unpacked or parsed."""
    with served(assistant) as client:
        path, kind = "/v1/conversations/me/turns", {"content-type": "application/json"}
        bomb = gzip.compress(bytes(10_000_000))
        packed = client.post(path, content=bomb, headers={**kind, "content-encoding": "gzip"})
        assert problem(packed, 415)["where"] == "header content-encoding"
        deep = client.post(path, content=b'{"text":' + b"[" * 50_000, headers=kind)
        assert "nested" in problem(deep, 422)["what"]
        quoted = client.post("/v1/parse", json={"text": "[" * 1000})
        assert quoted.status_code == 200


def test_slow_clients_are_let_go(assistant: Assistant) -> None:
    """One that never ends its head, never sends its body, or falls silent between requests; others are served."""
    gate = Gate(names=LOCAL, limits=Limits(head_seconds=0.5, body_seconds=0.5))
    with served(assistant, gate=gate) as client:
        address = (client.base_url.host, client.base_url.port)
        head = b"POST /v1/parse HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        parts = (b"", head, head + b"Content-Length: 20\r\n\r\n{")
        wires = [socket.create_connection(address, timeout=5) for _ in parts]
        for wire, part in zip(wires, parts, strict=True):
            wire.sendall(part)
        began = time.monotonic()
        assert say(client, "what time is it").status_code == 200
        answers = [wire.recv(1000) for wire in wires]
        assert time.monotonic() - began < 4
        for wire in wires:
            wire.close()
    assert answers[:2] == [b"", b""]
    assert answers[2].startswith(b"HTTP/1.1 408 ")


def test_nothing_that_was_said_is_logged(assistant: Assistant, caplog: pytest.LogCaptureFixture) -> None:
    """Neither from turns, nor from refusals, nor from what breaks."""
    with caplog.at_level(logging.INFO), served(assistant) as client:
        say(client, "turn on the wombat")
        say(client, "wombat", area="wombat")
        wav = {"content-type": "audio/wav"}
        broke = client.post("/v1/conversations/me/audio", content=b"wombat\xff", headers=wav)
        assert broke.status_code == 500
    assert "could not be served" in caplog.text
    assert "wombat" not in caplog.text
