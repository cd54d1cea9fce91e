"""The loop with thousands of policies. Started by scale.sh."""

import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import time

HOME = f"{os.environ['SEAWALL_BENCH_DIR']}/scale"
TICK = os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--policies", type=int, default=2000)
    parser.add_argument("--edits", type=int, default=100)
    parser.add_argument("--idle", type=int, default=120)
    return parser.parse_args()


def write_policy(number, hours):
    """As an editor does: a new file under the old name."""
    path = f"{HOME}/policies/p{number:05}.yaml"
    with open(f"{path}.tmp", "w", encoding="utf-8") as file:
        file.write(f"apiVersion: seawall.dev/v1\nkind: BackupPolicy\nmetadata: {{name: p{number:05}}}\nspec:\n"
                   f"  description: One of many\n  source: {{path: {{path: {HOME}/data/{number:05}}}}}\n"
                   f"  schedule: {{cron: \"{number % 60} {number % 24} 29 2 *\"}}\n"
                   f"  objectives: {{rpo: {hours}h, rto: 1h}}\n"
                   "  retention: {keepLast: 4, keepDaily: 7, keepWeekly: 4}\n")
    os.rename(f"{path}.tmp", path)


class Operator:
    """A running operator."""

    def __init__(self):
        self.log = open(f"{HOME}/log", "wb")
        command = [os.environ["SEAWALL_BENCH_BINARY"], "--policies", f"{HOME}/policies", "--state", f"{HOME}/state", "--docker-host",
                   f"unix://{HOME}/no-docker.sock", "run", "--listen", "127.0.0.1:19469", "--max-runs", "4"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.http = http.client.HTTPConnection("127.0.0.1", 19469, timeout=60)

    def get(self, path):
        for _ in range(600):
            try:
                self.http.request("GET", path)
                answer = self.http.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                self.http.close()
                if self.process.poll() is not None:
                    raise SystemExit(f"the operator ended; see {HOME}/log")
                time.sleep(0.1)
        raise SystemExit("the operator does not answer")

    def length(self, path):
        """Of an answer that is read and not kept: its room would be this program's time, and not the operator's."""
        # Which ends a connection that idled.
        self.http.close()
        self.http.request("GET", path)
        answer, room, length = self.http.getresponse(), bytearray(1 << 16), 0
        while count := answer.readinto(room):
            length += count
        return length

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.close()


def settle(operator, wanted):
    """Waits until every policy's source was backed up once."""
    while True:
        _, text = operator.get("/metrics")
        done = sum(1 for line in text.splitlines() if line.startswith(b"seawall_backup_last_run_successful{") and line.endswith(b" 1"))
        if done >= wanted:
            return
        time.sleep(2)


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def edit(operator, number, hours):
    """Seconds until an edit is in the status, which is published after the plan that it changes."""
    name = f"/api/v1/policies/p{number:05}"
    write_policy(number, hours)
    began = time.monotonic()
    while json.loads(operator.get(name)[1]).get("rpoSeconds") != hours * 3600:
        if time.monotonic() - began > 60:
            raise SystemExit(f"an edit of {name} is not in force after a minute")
        time.sleep(0.001)
    return time.monotonic() - began


def scrape(operator):
    began = time.monotonic()
    length = operator.length("/metrics")
    return time.monotonic() - began, length


def main():
    asked = arguments()
    shutil.rmtree(HOME, ignore_errors=True)
    os.makedirs(f"{HOME}/policies")
    for number in range(asked.policies):
        os.makedirs(f"{HOME}/data/{number:05}")
        with open(f"{HOME}/data/{number:05}/file", "w", encoding="ascii") as file:
            file.write(str(number))
        write_policy(number, 24)
    began = time.monotonic()
    operator = Operator()
    try:
        settle(operator, asked.policies)
        print(f"{asked.policies} first backups, four at once: {time.monotonic() - began:.1f} s")
        operator.stop()
        operator = Operator()
        settle(operator, asked.policies)
        time.sleep(10)
        before, began = operator.cpu(), time.monotonic()
        time.sleep(asked.idle)
        used = (operator.cpu() - before) / (time.monotonic() - began)
        print(f"idle: {used * 100:.3f} % of a core, {operator.rss():.1f} MiB RSS")
        scrapes = [scrape(operator) for _ in range(30)]
        times = [seconds * 1000 for seconds, _ in scrapes]
        print(f"/metrics: first {times[0]:.1f} ms, median {percentile(times, 50):.1f} ms, p99 {percentile(times, 99):.1f} ms, "
              f"{scrapes[0][1] / 1e6:.2f} MB; RSS afterwards {operator.rss():.1f} MiB")
        edits, scrapes = [], []
        for number in range(asked.edits):
            edits.append(edit(operator, number % asked.policies, 25 + number % 50) * 1000)
            scrapes.append(scrape(operator)[0] * 1000)
        print(f"/metrics after an edit: median {percentile(scrapes, 50):.1f} ms, p99 {percentile(scrapes, 99):.1f} ms; "
              f"RSS afterwards {operator.rss():.1f} MiB")
        print(f"edit to in force: median {percentile(edits, 50):.0f} ms, p99 {percentile(edits, 99):.0f} ms, worst {max(edits):.0f} ms")
    finally:
        operator.stop()
    shutil.rmtree(HOME)


main()
