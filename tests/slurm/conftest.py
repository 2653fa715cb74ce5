"""A SLURM cluster of one node for the time of the tests: munged, slurmctld and slurmd, without accounting."""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

DAEMONS = ("munged", "slurmctld", "slurmd")
PLACES = [Path(p) for p in ("/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf")]  # where srun within a job looks
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
InactiveLimit=0
KillWait=5
MinJobAge=600
Waittime=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class Cluster:
    """A running one."""

    environment: dict[str, str]
    node: str

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self, state: str) -> list[str]:
        """The numbers of the jobs in a state, such as RUNNING."""
        return self.run("squeue", "--noheader", "--format=%i", f"--states={state}").split()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    path = f"{os.environ['PATH']}:/usr/sbin"
    if missing := [name for name in DAEMONS if not shutil.which(name, path=path)]:
        pytest.skip(f"needs {', '.join(missing)}, as in Debian's slurm-wlm and munge")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    folder.chmod(0o755)
    host = socket.gethostname().partition(".")[0]
    configuration, user = folder / "slurm.conf", subprocess.run(["id", "-un"], capture_output=True, text=True).stdout
    configuration.write_text(CONFIGURATION.format(
        folder=folder, host=host, user=user.strip(), ports=(free_port(), free_port()), cpus=os.cpu_count(),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 * 9 // 10,
    ))  # fmt: skip
    place = PLACES[-1]  # for the time of the tests
    if any(p.exists() for p in PLACES) or not os.access("/run", os.W_OK):
        pytest.skip(f"needs to put its configuration at {place}, and must not disturb a cluster that is there")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(configuration)
    environment = os.environ | {"SLURM_CONF": str(configuration), "PATH": path}
    munged = ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket",
              f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"]
    started = []
    try:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            log = (folder / f"{command[0]}.out").open("w")
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            time.sleep(1)
        made, until = Cluster(environment, host), time.monotonic() + 60
        state = ["sinfo", "-h", "-o", "%t"]
        while "idle" not in subprocess.run(state, env=environment, capture_output=True, text=True).stdout:
            logs = [f"{p.name}: {p.read_text()[-600:]}" for p in sorted(folder.glob("*.out"))]
            assert time.monotonic() < until, f"the cluster does not come up: {logs}"
            time.sleep(0.5)
        yield made
    finally:
        place.unlink()
        for daemon in reversed(started):
            daemon.terminate()
            daemon.wait(20)
