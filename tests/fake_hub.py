"""A Hugging Face Hub on the loopback interface: what huggingface_hub asks of one."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPOSITORY = "somebody/model"
COMMIT = "0123456789" * 4


class FakeHub(ThreadingHTTPServer):
    """Keeps the files of one repository in memory."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.created: list[dict] = []
        self.tokens: set[str | None] = set()
        self.refuse = False

    @property
    def endpoint(self) -> str:
        """Return what HF_ENDPOINT should be."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        """Return the repository's page."""
        return f"{self.endpoint}/{REPOSITORY}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, *args):
        pass

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length).decode()
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.refuse:
            return self.answer({"error": "You have read access only"}, 403)
        if self.path == "/api/repos/create":
            self.server.created.append(json.loads(body))
            return self.answer({"url": self.server.url, "id": REPOSITORY})
        if "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [
                {"path": n, "uploadMode": "regular", "shouldIgnore": False}
                for n in names
            ]
            return self.answer({"files": modes})
        if "/commit/" in self.path:
            for line in filter(None, body.splitlines()):
                operation = json.loads(line)
                value = operation["value"]
                if operation["key"] == "file":
                    content = base64.b64decode(value["content"])
                    self.server.files[value["path"]] = content
                elif operation["key"] == "deletedFile":
                    del self.server.files[value["path"]]
            return self.answer(
                {"commitOid": COMMIT, "commitUrl": f"{self.server.url}/commit/{COMMIT}"}
            )
        if "/validate-yaml" in self.path:
            return self.answer({"errors": [], "warnings": []})
        return self.answer({"error": "unknown"}, 404)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0]
        if (found := re.search(r"/resolve/[^/]+/(.+)", path)) is not None:
            content = self.server.files[found[1]]
            etag = hashlib.sha256(content).hexdigest()
            return self.send(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        if "/tree/" in path:
            return self.answer(
                [
                    {
                        "type": "file",
                        "path": name,
                        "size": len(content),
                        "oid": hashlib.sha1(content).hexdigest(),
                    }
                    for name, content in self.server.files.items()
                ]
            )
        siblings = [{"rfilename": name} for name in self.server.files]
        return self.answer({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings})

    def answer(self, data, status: int = 200):
        self.send(
            json.dumps(data).encode(), {"Content-Type": "application/json"}, status
        )

    def send(self, content: bytes, headers: dict, status: int = 200):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextlib.contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Serve a Hub as long as this lasts."""
    with FakeHub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
