"""A Kubernetes API server with its etcd, on loopback, for one run: no nodes, no controllers."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import CERT_NONE, create_default_context

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.chart.rendering import Object
from tests.ports import free_port
from tools import helm
from tools.apiserver import Tools

TOKEN = "token-of-this-run"
READY_S = 120
STOP_S = 20


class Refused(Exception):
    """The API server, kubectl or Helm said no; the text is what they said."""


@dataclass(frozen=True)
class Cluster:
    """Run kubectl and Helm against the API server."""

    programs: helm.Tools
    home: Path

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """Run kubectl; raises Refused."""
        return self._run(str(self.programs.kubectl), *arguments, given=given)

    def helm(self, *arguments: str) -> str:
        """Run Helm; raises Refused."""
        return self._run(str(self.programs.helm), *arguments)

    def objects(self, kind: str, namespace: str = "hooks") -> dict[str, Object]:
        """Return what the server holds of a kind, by name."""
        said = self.kubectl("-n", namespace, "get", kind, "-o", "json")
        return {one["metadata"]["name"]: one for one in json.loads(said)["items"]}

    def _run(self, *command: str, given: str = "") -> str:
        ended = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            input=given,
            timeout=120,
            env={
                "HOME": str(self.home),
                "KUBECONFIG": str(self.home / "config"),
                "PATH": "/usr/bin:/bin",
            },
        )
        if ended.returncode:
            raise Refused(ended.stdout + ended.stderr)
        return ended.stdout


@contextmanager
def running(tools: Tools, programs: helm.Tools, folder: Path) -> Iterator[Cluster]:
    """Start etcd and the API server, and end them in the reverse order: it waits for etcd."""
    client, peer, port = free_port(), free_port(), free_port()
    etcd_url, peer_url = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    etcd = [str(tools.etcd), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"]
    etcd += ["--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url]
    etcd += ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url]
    etcd += ["--initial-cluster", f"default={peer_url}"]
    with _process(etcd, folder / "etcd.log"):
        server = [str(tools.apiserver), *_flags(folder, etcd_url, port)]
        with _process(server, folder / "apiserver.log") as process:
            _wait_until_ready(process, port, folder / "apiserver.log")
            _write_config(folder / "config", port)
            yield Cluster(programs, folder)


def _flags(folder: Path, etcd_url: str, port: int) -> list[str]:
    key = folder / "sa.key"
    key.write_bytes(
        rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{TOKEN},admin,1,"system:masters"\n')
    return [
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certs'}",
        f"--token-auth-file={tokens}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",  # its controller makes the accounts
        "--endpoint-reconciler-type=none",
    ]


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    context = create_default_context()
    context.check_hostname, context.verify_mode = False, CERT_NONE  # loopback, a key of its own
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}/readyz", headers={"authorization": f"Bearer {TOKEN}"}
    )
    until = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(request, timeout=5, context=context):
                return
        except OSError:
            _pause(process)
    raise AssertionError(f"the API server is not ready:\n{log.read_text()[-3000:]}")


def _pause(process: subprocess.Popen[bytes]) -> None:
    """Let half a second pass, or less when the process ends."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return


def _write_config(path: Path, port: int) -> None:
    context = {"cluster": "here", "user": "here", "namespace": "hooks"}
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": cluster}],
                "users": [{"name": "here", "user": {"token": TOKEN}}],
                "contexts": [{"name": "here", "context": context}],
            }
        )
    )
    path.chmod(0o600)
