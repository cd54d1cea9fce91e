"""Runs the tools in turn over the same data and prints medians. Started by compare.sh, which sees to everything it needs."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

import data
import tools

PHASES = ["first", "unchanged", "1 % changed", "restore"]
HOME = os.environ["SEAWALL_BENCH_DIR"]
# Seconds before a round in which nothing is done. ext4 passes over inodes that were freed within the last minute, one by one, each time
# that it makes a file, and lets the disk discard what was freed: whoever measures right after a removal measures that.
REST = 65


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--tools", default="")
    parser.add_argument("--sparse", action="append_const", dest="variants", const=data.sparse, default=[])
    parser.add_argument("--million", action="append_const", dest="variants", const=data.million)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    asked.size = asked.size or (100 if asked.quick else 2048)
    asked.rounds = asked.rounds or (1 if asked.quick else 3)
    return asked


def chosen(names):
    wanted = [t for t in tools.ALL if not names or t.name in names.split(",")]
    return [t for t in wanted if t is not tools.Rustic or shutil.which("rustic")]


def volume():
    """A volume of the engine, made anew, and its directory."""
    name = "seawall_bench"
    subprocess.run(["docker", "volume", "rm", "-f", name], check=True, capture_output=True)
    subprocess.run(["docker", "volume", "create", name], check=True, capture_output=True)
    shown = subprocess.run(["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", name], check=True, capture_output=True, text=True)
    return name, shown.stdout.strip()


def differences(expected, found):
    """Paths that a restore did not bring back as they were; the root's own entry is not every tool's to restore."""
    paths = (set(expected) | set(found)) - {"."}
    return sorted(p for p in paths if expected.get(p) != found.get(p))


def one_round(number, competitors, source, results, rest):
    wrong = []
    os.sync()
    time.sleep(rest)
    for tool in competitors:
        tool.start()

    def each(phase, step):
        data.warm(source)
        for tool in competitors:
            cost = step(tool)
            results[phase, tool.name].append((cost, tool.stored()))
            print(f"round {number}: {phase:12} {tool.name:17} {cost.wall:8.2f} s  cpu {cost.cpu:7.2f} s  {cost.rss:6.0f} MiB", file=sys.stderr)

    each("first", lambda tool: tool.backup())
    each("unchanged", lambda tool: tool.backup())
    data.change(source, seed=number)
    each("1 % changed", lambda tool: tool.backup())
    expected = data.manifest(source)

    # Side by side: nothing is removed before all are measured.
    restored = f"{HOME}/restored"
    shutil.rmtree(restored, ignore_errors=True)
    os.makedirs(restored)

    def restore(tool):
        cost, root = tool.restore(f"{restored}/{competitors.index(tool)}")
        bad = differences(expected, data.manifest(root))
        if bad:
            wrong.append(f"{tool.name} restored {len(bad)} of {len(expected)} entries wrongly, such as {bad[:3]}")
        return cost

    each("restore", restore)
    shutil.rmtree(restored)
    for tool in competitors:
        tool.stop()
        shutil.rmtree(tool.home)
    return wrong


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown CPU")
    return f"{os.cpu_count()} cores ({model}), Linux {os.uname().release}"


def versions():
    wanted = [["tar", "--version"], ["zstd", "--version"], ["restic", "version"], ["borg", "--version"], ["rustic", "--version"], [os.environ["SEAWALL_BENCH_BINARY"], "--version"]]
    found = [subprocess.run(c, capture_output=True, text=True, check=False).stdout.split("\n")[0] for c in wanted if shutil.which(c[0])]
    return ", ".join(found)


def report(asked, competitors, results, files, megabytes):
    print(f"\n{machine()}\n{versions()}\n{megabytes:.0f} MB in {files} files; median of {asked.rounds}; data in the page cache; "
          "ratio: to restic's wall; RSS: largest process\n")
    for phase in PHASES:
        print(f"| {phase} | wall s | ratio | CPU s | peak RSS MiB | stored MB |\n|---|---|---|---|---|---|")
        medians = {}
        for tool in competitors:
            seen = results[phase, tool.name]
            medians[tool.name] = [statistics.median(v) for v in zip(*[(c.wall, c.cpu, c.rss, s) for c, s in seen])]
        base = medians.get("restic", [None])[0]
        for tool in competitors:
            wall, cpu, rss, stored = medians[tool.name]
            ratio = f"{wall / base:.2f}" if base else "-"
            name = tool.name.replace("|", "\\|")
            print(f"| {name} | {wall:.2f} | {ratio} | {cpu:.2f} | {rss:.0f} | {stored:.0f} |")
        print()


def main():
    asked = arguments()
    name, source = volume()
    print(f"generating {asked.size} MB in {source} …", file=sys.stderr)
    data.generate(source, asked.size, asked.variants)
    competitors = [tool(HOME, source, name) for tool in chosen(asked.tools)]
    results = {(phase, tool.name): [] for phase in PHASES for tool in competitors}
    wrong = []
    try:
        for number in range(1, asked.rounds + 1):
            wrong += one_round(number, competitors, source, results, 0 if asked.quick else REST)
    finally:
        for tool in competitors:
            tool.stop()
    files = sum(len(f) for _, _, f in os.walk(source))
    report(asked, competitors, results, files, tools.size(source))
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    if not wrong:
        print("every tool's restore equals the source")
    sys.exit(1 if wrong else 0)


main()
