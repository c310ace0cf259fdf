"""A real Jaeger, where there is one: its own receiver and its own query API, at the ports it has by itself.

POSTHORN_JAEGER, else jaeger-all-in-one (version 1) or jaeger (version 2) in PATH. Debian has none; it can be built with Go:
see tests/README.md.
"""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request

from .wait import until

COLLECTOR = "http://127.0.0.1:4318"
QUERY = "http://127.0.0.1:16686"


def find():
    named = os.environ.get("POSTHORN_JAEGER")
    return named or shutil.which("jaeger-all-in-one") or shutil.which("jaeger")


class Jaeger:
    def __init__(self, program, folder):
        folder.mkdir(parents=True)
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)

    def start(self):
        until(self._answers, 60, "Jaeger to answer")
        return self

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            return self.ask("/api/services") is not None
        except (urllib.error.URLError, ConnectionError):
            return False

    def ask(self, path):
        """What its query API says; nothing: that is not there (yet)."""
        try:
            with urllib.request.urlopen(QUERY + path, timeout=20) as answer:
                return json.load(answer)["data"] or []
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
