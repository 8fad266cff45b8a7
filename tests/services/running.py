"""Real services for tests, each in a folder of its own, ended with the tests.

Nothing is waited for by the clock: a service is polled until it answers, or has ended, or a
deadline has passed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
DEADLINE = 90


def need(*commands: str, root: bool = False) -> None:
    """Make sure that commands exist: on CI they are installed, elsewhere the test is skipped."""
    lacking = [command for command in commands if not shutil.which(command, path=PATH)]
    lacking += ["to be root"] if root and os.getuid() != 0 else []
    if not lacking:
        return
    if not os.environ.get("CI"):
        pytest.skip(f"needs {', '.join(lacking)}: tests/services/install")
    subprocess.run([HERE / "install"], check=True)


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """Make a folder with a name short enough for a socket's; remove it afterwards."""
    path = Path(tempfile.mkdtemp(prefix=f"cellcutter-{name}-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def process(
    command: Sequence[str | Path], log: Path, **extra: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in the background; end it afterwards."""
    with log.open("wb") as out:
        running = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "PATH": PATH, **extra},
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(60)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def ready(running: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool]) -> None:
    """Wait until a service answers."""
    end = time.monotonic() + DEADLINE
    while not answers():
        if running.poll() is not None or time.monotonic() > end:
            pytest.fail(f"{running.args[0]} does not answer:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def says(answer: str, *command: str | Path, **env: str) -> bool:
    """Tell whether a command ends well, and its output has a word in it."""
    environment = {**os.environ, "PATH": PATH, **env}
    done = subprocess.run(
        [str(w) for w in command], capture_output=True, text=True, env=environment
    )
    return done.returncode == 0 and answer in done.stdout


@contextmanager
def docker() -> Iterator[str]:
    """Run a Docker engine without a network; yield what DOCKER_HOST is to be."""
    need("dockerd", "docker", "debootstrap", root=True)
    with folder("docker") as home:
        host, log = f"unix://{home}/socket", home / "log"
        # In a mount namespace, so that nothing of it stays mounted.
        command = [
            *("unshare", "--mount", "dockerd"),
            *("--iptables=false", "--ip6tables=false", "--bridge=none", "-H", host),
            *("--data-root", home / "data", "--exec-root", home / "exec"),
            *("--pidfile", home / "pid"),
        ]
        with process(command, log) as running:
            ready(running, log, partial(says, "Server Version", "docker", "info", DOCKER_HOST=host))
            yield host


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MinJobAge=300
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def munged(home: Path, *enter: str | Path) -> tuple[list[str | Path], Path]:
    """Make what munged wants, and return its command line and socket."""
    home.mkdir()
    key, socket_ = home / "key", home / "socket"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    subprocess.run([*enter, "chown", "-R", "munge:munge", home], check=True)
    command = [
        *(*enter, "setpriv", "--reuid=munge", "--regid=munge", "--clear-groups"),
        *("munged", "--foreground", f"--key-file={key}", f"--socket={socket_}"),
        *(f"--pid-file={home}/pid", f"--seed-file={home}/seed", f"--log-file={home}/log"),
    ]
    return command, socket_


@contextmanager
def slurm(*enter: str | Path) -> Iterator[dict[str, str]]:
    """Run a cluster of one node; yield the environment of its commands.

    All of it is run by way of the command `enter`, which may lead into another root file system.
    """
    if not enter:
        need("slurmctld", "slurmd", "sbatch", "munged", root=True)
    with folder("slurm") as home, ExitStack() as stack:
        for name in ("state", "spool"):
            (home / name).mkdir()
        log = home / "munged.log"
        command, key = munged(home / "munge", *enter)
        running = stack.enter_context(process(command, log))
        ready(running, log, key.exists)
        conf = home / "slurm.conf"
        conf.write_text(
            SLURM_CONF.format(
                host=socket.gethostname().split(".")[0],
                home=home,
                controller=free_port(),
                node=free_port(),
                cpus=len(os.sched_getaffinity(0)),
                memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 1024,
            )
        )
        environment = {"SLURM_CONF": str(conf)}
        ping, state = ("scontrol", "ping"), ("sinfo", "-h", "-t", "idle", "-o", "%T")
        for name, question, answer in (("slurmctld", ping, "UP"), ("slurmd", state, "idle")):
            log = home / f"{name}.log"
            running = stack.enter_context(process([*enter, name, "-D"], log, **environment))
            asking = partial(says, answer, *enter, *question, **environment)
            ready(running, log, asking)
        yield environment
