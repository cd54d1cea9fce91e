"""Runs the tools in turn over the same data and prints medians. Started by compare.sh, which sees to everything it needs."""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys

import data
import tools

PHASES = ["first", "unchanged", "1 % changed", "restore"]
HOME = os.environ["SEAWALL_BENCH_DIR"]


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
    asked.rounds = asked.rounds or (1 if asked.quick else 5)
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


@contextlib.contextmanager
def fresh_file_system():
    """A directory on an ext4 of its own. On one where much was removed within the last minutes, making files is slow: it passes over
    the inodes of those one by one. And with it goes what it has in the page cache."""
    image, at = f"{HOME}/restored.img", f"{HOME}/restored"
    os.makedirs(at, exist_ok=True)
    with open(image, "wb") as file:
        file.truncate(64 << 30)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", image], check=True)
        # Directly: what is written would be in the page cache twice, and be copied by the kernel while the tool is at work.
        loop = subprocess.run(["losetup", "--direct-io=on", "--find", "--show", image], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        try:
            subprocess.run(["mount", "-o", "noinit_itable", loop, at], check=True)
            try:
                yield at
            finally:
                subprocess.run(["umount", at], check=True)
        finally:
            subprocess.run(["losetup", "--detach", loop], check=True)
    finally:
        os.remove(image)


def one_round(number, competitors, source, results):
    wrong = []
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

    def restore(tool):
        with fresh_file_system() as at:
            cost, root = tool.restore(f"{at}/it")
            bad = differences(expected, data.manifest(root))
        if bad:
            wrong.append(f"{tool.name} restored {len(bad)} of {len(expected)} entries wrongly, such as {bad[:3]}")
        return cost

    # Not measured: the first of them is to find the machine as the others do, with memory that such a thing was in a moment ago.
    with fresh_file_system() as at:
        subprocess.run(["cp", "-a", source, f"{at}/it"], check=True)
    each("restore", restore)
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
    # A restore fills the page cache with all of it, and some more.
    tools.Tool.fills = 2 * asked.size
    competitors = [tool(HOME, source, name) for tool in chosen(asked.tools)]
    results = {(phase, tool.name): [] for phase in PHASES for tool in competitors}
    wrong = []
    try:
        for number in range(1, asked.rounds + 1):
            wrong += one_round(number, competitors, source, results)
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
