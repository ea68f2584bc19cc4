"""An action server that counts: each effect is a line in a file, and it can kill whoever asks it.

    python counting_server.py FOLDER (aware|unaware)

It writes its port to FOLDER/port and every effect to FOLDER/effects, as key and action. FOLDER/kill may say
"PID before N" or "PID after N": then that process is killed before or after the N-th effect asked for since the
file was written. An aware server has the effect of a key once, and repeats its answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER, AWARE = Path(sys.argv[1]), sys.argv[2] == "aware"


class Handler(BaseHTTPRequestHandler):
    known: dict[str, bytes] = {}  # noqa: RUF012  shared by all requests
    wanted, count = "", 0

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = call["tracker"]["latest_message"]["metadata"]["step_id"]
        if AWARE and key in self.known:
            self.answer(self.known[key])
            return
        self.kill_if("before")
        with (FOLDER / "effects").open("a") as stream:
            stream.write(f"{key} {call['next_action']}\n")
        self.known[key] = json.dumps({"events": [effects_of(call)], "responses": []}).encode()
        self.kill_if("after")
        self.answer(self.known[key])

    def kill_if(self, when: str) -> None:
        path = FOLDER / "kill"
        wanted = path.read_text() if path.exists() else ""
        if wanted != Handler.wanted:
            Handler.wanted, Handler.count = wanted, 0
        Handler.count += when == "before"
        if wanted and wanted.split()[1:] == [when, str(Handler.count)]:
            os.kill(int(wanted.split()[0]), signal.SIGKILL)

    def answer(self, body: bytes) -> None:
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            return  # nobody is there any more

    def log_message(self, *arguments: Any) -> None:
        return


def effects_of(call: dict[str, Any]) -> dict[str, Any]:
    slots = call["tracker"]["slots"]
    if call["next_action"] == "action_change_devices":
        found = [{"target": one, "change": slots["change"], "before": {"state": "?"}} for one in slots["targets"]]
    elif call["next_action"] == "action_add_to_list":
        found = [{"target": slots["list"], "change": {"added": one}, "before": {}} for one in slots["items"]]
    else:
        found = [{"target": "query", "change": {"answered": call["next_action"]}}]
    return {"event": "slot", "name": "effects", "value": found}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (FOLDER / "port.new").write_text(str(server.server_port))
    (FOLDER / "port.new").rename(FOLDER / "port")
    server.serve_forever()
