"""The tools under comparison: how each makes a repository, a backup and a restore, with its defaults, encrypted where it can."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass


@dataclass
class Cost:
    """What one step took: seconds of wall and CPU, the largest process's peak in MiB."""
    wall: float
    cpu: float
    rss: float


def prepare_machine(megabytes):
    """Leaves the disk nothing to do, and has the machine hold that much free memory for the next two seconds. A virtual machine gives free
    pages back to its host, and who uses them next waits for each: of two tools the later one would find what the other has paid for."""
    os.sync()
    if not megabytes:
        return
    populate = "import mmap, sys; mmap.mmap(-1, int(sys.argv[1]) << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)"
    subprocess.run([sys.executable, "-c", populate, str(megabytes)], check=True)


def measured(command, env=None, cwd=None, fills=0):
    """Runs a command to its end, with all its children. `fills`: MiB of memory that it may fill.

    GNU time stands in between: a process that Python starts by itself inherits Python's own peak of memory.
    """
    prepare_machine(fills)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as usage:
        began = time.monotonic()
        process = subprocess.run(["/usr/bin/time", "-q", "-f", "%U %S %M", "-o", usage.name, *command], env=env, cwd=cwd, check=False,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wall = time.monotonic() - began
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{process.stdout.decode(errors='replace')[-3000:]}")
        user, system, peak = usage.read().split()
    return Cost(wall, float(user) + float(system), int(peak) / 1024)


def size(path):
    """Allocated bytes of a file or directory, in MB."""
    return int(subprocess.run(["du", "-s", "--block-size=1", path], capture_output=True, check=True).stdout.split()[0]) / 1e6


class Tool:
    """One tool with a repository of its own in `home`. `source` is the volume's directory."""
    fills = 0

    def __init__(self, home, source, volume):
        self.home, self.source, self.volume, self.runs = f"{home}/{self.name.replace(' ', '-').replace('|', 'to')}", source, volume, 0
        self.repository = f"{self.home}/repository"
        self.env = os.environ | {"XDG_CACHE_HOME": f"{self.home}/cache", "RESTIC_PASSWORD": "bench", "BORG_PASSPHRASE": "bench",
                                 "BORG_BASE_DIR": f"{self.home}/borg", "RUSTIC_PASSWORD": "bench", "HOME": self.home}

    def start(self):
        """A fresh repository."""
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(self.home)
        self.prepare()

    def prepare(self):
        """What the tool needs before its first backup; not measured."""

    def stop(self):
        """Ends what `start` began."""

    def run(self, command, cwd=None):
        return measured(command, self.env, cwd, self.fills)

    def stored(self):
        return size(self.repository)


class Tar(Tool):
    """The runbook's way, without the container around it (there is no image to pull here, and it would only cost it time)."""
    name = "tar czf"

    def prepare(self):
        os.makedirs(self.repository)

    def backup(self):
        self.runs += 1
        self.newest = f"{self.repository}/{self.runs}.tar.gz"
        return self.run(["tar", "czf", self.newest, "-C", self.source, "."])

    def restore(self, to):
        os.makedirs(to)
        return self.run(["tar", "xzf", self.newest, "-C", to]), to


class TarZstd(Tar):
    """The fastest way to one compressed file on all cores: neither encrypted nor deduplicated, and what a first backup is held against."""
    name = "tar | zstd -T0"

    def backup(self):
        self.runs += 1
        self.newest = f"{self.repository}/{self.runs}.tar.zst"
        return self.run(["tar", "-I", "zstd -T0 -q", "-cf", self.newest, "-C", self.source, "."])

    def restore(self, to):
        os.makedirs(to)
        return self.run(["tar", "-I", "zstd -T0 -q", "-xf", self.newest, "-C", to]), to


class Restic(Tool):
    name = "restic"

    def prepare(self):
        self.run(["restic", "-q", "-r", self.repository, "init"])

    def backup(self):
        return self.run(["restic", "-q", "-r", self.repository, "backup", "."], cwd=self.source)

    def restore(self, to):
        return self.run(["restic", "-q", "-r", self.repository, "restore", "latest", "--target", to]), to


class Borg(Tool):
    name = "borg"

    def prepare(self):
        self.run(["borg", "init", "--encryption", "repokey", self.repository])

    def backup(self):
        self.runs += 1
        return self.run(["borg", "create", f"{self.repository}::{self.runs}", "."], cwd=self.source)

    def restore(self, to):
        os.makedirs(to)
        return self.run(["borg", "extract", f"{self.repository}::{self.runs}"], cwd=to), to


class Rustic(Tool):
    name = "rustic"

    def prepare(self):
        self.run(["rustic", "-r", self.repository, "init"])

    def backup(self):
        return self.run(["rustic", "--no-progress", "-r", self.repository, "backup", "."], cwd=self.source)

    def restore(self, to):
        return self.run(["rustic", "--no-progress", "-r", self.repository, "restore", "latest", to]), to


class SeawallOnce(Tool):
    """`seawall backup` where no operator runs: the key is derived and the index loaded each time, as for the others."""
    name = "seawall once"

    def prepare(self):
        self.repository = f"{self.home}/state/repository"
        os.makedirs(f"{self.home}/policies")
        # A century between slots: what is measured is started by hand.
        with open(f"{self.home}/policies/bench.yaml", "w", encoding="utf-8") as file:
            file.write("apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {name: bench}\nspec:\n"
                       f"  source: {{volume: {{name: {self.volume}}}}}\n  schedule: {{cron: \"0 0 29 2 *\"}}\n")

    def command(self, *arguments):
        return [os.environ["SEAWALL_BENCH_BINARY"], "--policies", f"{self.home}/policies", "--state", f"{self.home}/state", *arguments]

    def backup(self):
        return self.run(self.command("backup", "bench"))

    def restore(self, to):
        """Into a directory, by the command itself, which also compares all of it with the snapshot afterwards. The others do not."""
        return self.run(self.command("restore", "bench", "--to", to, "--yes")), to


class SeawallResident(SeawallOnce):
    """The running operator is asked, which is how Seawall is used. CPU and memory are the operator's own."""
    name = "seawall resident"
    operator = None

    def begin(self):
        """Starts the operator. Only when its turn has come: it makes the first backup at once, beside whatever else is measured then."""
        with open(f"{self.home}/log", "wb") as log:
            self.operator = subprocess.Popen(self.command("run", "--listen", "127.0.0.1:0"), env=self.env, stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log)

    def stop(self):
        if self.operator:
            self.operator.send_signal(signal.SIGTERM)
            self.operator.wait(30)
            self.operator = None

    def ticks(self):
        with open(f"/proc/{self.operator.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self):
        with open(f"/proc/{self.operator.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))

    def initial(self):
        """The operator makes the first backup by itself, at once: its own record tells how long that took."""
        prepare_machine(self.fills)
        self.begin()
        patience = time.monotonic() + 900
        while time.monotonic() < patience:
            if self.operator.poll() is not None:
                with open(f"{self.home}/log", encoding="utf-8", errors="replace") as log:
                    raise SystemExit(f"the operator ended:\n{log.read()[-3000:]}")
            answer = subprocess.run(self.command("get", "runs", "-o", "json"), env=self.env, capture_output=True, check=False)
            runs = json.loads(answer.stdout) if answer.returncode == 0 else []
            for run in runs:
                if run["operation"] == "backup" and run.get("finished"):
                    return run
            # Seldom: each question takes of the two cores what is then missing elsewhere.
            time.sleep(1)
        raise SystemExit("the operator made no first backup within 15 minutes")

    def backup(self):
        if not self.operator:
            run = self.initial()
            wall = instant(run["finished"]) - instant(run["started"])
            return Cost(wall, self.ticks(), self.peak())
        with open(f"/proc/{self.operator.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
        before = self.ticks()
        cost = self.run(self.command("backup", "bench"))
        return Cost(cost.wall, cost.cpu + self.ticks() - before, max(cost.rss, self.peak()))


def instant(text):
    """Seconds of an RFC 3339 instant in UTC, fractions of any length."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction or 0}")


ALL = [SeawallOnce, SeawallResident, Tar, TarZstd, Restic, Borg, Rustic]
