"""As much of W&B's server, on this machine, as wandb needs to send a run to it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a" * 40


@dataclass
class ServedRun:
    """What the server knows of one run."""

    group: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None
    pushes: int = 0  # how often it came to its end


@dataclass
class WandbServer:
    """Runs by id; those named in `refused` are turned away."""

    runs: dict[str, ServedRun] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What makes wandb use it."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL answer."""
        name = asked.get("name") or asked.get("run") or ""
        if operation == "UpsertBucket":
            known = name in self.runs
            run = self.runs.setdefault(name, ServedRun())
            run.group = asked.get("groupName") or run.group
            return {"upsertBucket": {"inserted": not known, "bucket": self._bucket(name)}}
        if operation == "RunResumeStatus":
            bucket = self._bucket(name) if name in self.runs else None
            return {"model": {"id": "p", "name": "vqx", "entity": _ENTITY, "bucket": bucket}}
        if operation == "CreateRunFiles":
            files = [{"name": f, "uploadUrl": f"{self.url}/up/{name}/{f}"} for f in asked["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        if operation == "CreateArtifact":
            artifact = {"id": "a", "state": "COMMITTED", "artifactSequence": {}}
            return {"createArtifact": {"artifact": artifact}}
        known_answers: dict[str, dict[str, Any]] = {
            "Viewer": {"viewer": {**_ENTITY, "entity": "us", "username": "us", "flags": "{}"}},
            "ArtifactType": {"project": {"artifact": None}},
        }
        return known_answers.get(operation, {})

    def stream(self, name: str, sent: dict[str, Any]) -> None:
        """A piece of the run's files: lines from an offset on, and at the end the exit code."""
        run = self.runs[name]
        files = sent.get("files", {})
        if lines := files.get("wandb-history.jsonl"):
            rows = [json.loads(line) for line in lines["content"]]
            run.history[lines["offset"] : lines["offset"] + len(rows)] = rows
        if lines := files.get("wandb-summary.json"):
            run.summary = json.loads(lines["content"][-1])
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]
            run.pushes += 1

    def _bucket(self, name: str) -> dict[str, Any]:
        run = self.runs[name]
        return {
            "id": "QnVja2V0",
            "name": name,
            "displayName": name,
            "project": {"id": "p", "name": "vqx", "entity": _ENTITY},
            "historyLineCount": len(run.history),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
            "eventsTail": "[]",
            "summaryMetrics": json.dumps(run.summary),
            "config": "{}",
            "tags": [],
            "notes": None,
            "wandbConfig": '{"t": 1}',
        }


_ENTITY = {"id": "e", "name": "us"}


@contextmanager
def wandb_server() -> Iterator[WandbServer]:
    """Serve until the block ends."""
    served = WandbServer()

    class Handler(_Handler):
        server_state = served

    server = _Server(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """wandb leaves connections open when it ends: no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: WandbServer

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Nothing is fetched by plain address."""
        self._reply({})

    def do_PUT(self) -> None:
        """A file of a run."""
        _, _, name, path = self.path.split("/", 3)
        self.server_state.runs[name].files[path] = self._body()
        self._reply({})

    def do_POST(self) -> None:
        """GraphQL, or a piece of a run."""
        body = self._body()
        if self.path.endswith("/graphql"):
            asked = json.loads(body)
            variables = asked.get("variables") or {}
            if variables.get("name") in self.server_state.refused:
                self._reply({"errors": [{"message": "permission denied"}]}, status=403)
            else:
                operation = asked["query"].split(None, 2)[1].partition("(")[0]
                self._reply({"data": self.server_state.answer(operation, variables)})
        elif self.path.endswith("/file_stream"):
            self.server_state.stream(self.path.split("/")[-2], json.loads(body))
            self._reply({"exitcode": None, "limits": {}})
        else:  # wandb's own measurements of itself
            self._reply({})

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _reply(self, answer: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
