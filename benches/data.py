"""The data that every tool backs up: made from a seed, the same on every machine, changed by one percent on request."""

import hashlib
import json
import os
import random
import sqlite3
import stat

SMALL_FILES_PER_GIB = 20_000


def compressible(rng, size):
    """Bytes that look like uncompressed media: every other block random, the rest a short pattern."""
    parts = []
    for at in range(0, size, 8192):
        block = min(8192, size - at)
        pattern = rng.randbytes(32)
        parts.append(rng.randbytes(block // 2) + (pattern * 256)[: block - block // 2])
    return b"".join(parts)


def session(rng, n):
    return json.dumps({"id": n, "registered": rng.random() > 0.5, "key": rng.randbytes(200).hex(), "note": "session " * rng.randint(1, 40)}).encode()


def log_lines(rng, size):
    words = ["GET", "POST", "/webhook", "/rest/workflows", "200", "404", "timeout", "queued", "done"]
    out, length = [], 0
    while length < size:
        line = f"2026-01-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:00:00Z {' '.join(rng.choices(words, k=8))} {rng.getrandbits(64):x}\n"
        out.append(line)
        length += len(line)
    return "".join(out).encode()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def rows(rng, n):
    for _ in range(n):
        yield (rng.randbytes(400), ("{\"node\": \"http\", \"ok\": true} " * 60)[: rng.randint(400, 1700)])


def sparse(root, rng):
    """5 GiB, of which 64 blocks were ever written."""
    with open(f"{root}/sparse.img", "wb") as file:
        file.truncate(5 << 30)
        for n in range(64):
            file.seek(n * (80 << 20))
            file.write(rng.randbytes(4096))


def million(root, rng):
    """A million files of a few bytes, a hundred directories of ten thousand."""
    for directory in range(100):
        os.makedirs(f"{root}/million/{directory:02d}")
        for n in range(10_000):
            with open(f"{root}/million/{directory:02d}/{n}", "wb") as file:
                file.write(rng.randbytes(rng.randint(8, 200)))


def generate(root, megabytes, variants=(), seed=7):
    """Fills the directory `root`: 2 % small files, 28 % SQLite, 64 % media, 6 % logs; and what `variants` add."""
    rng = random.Random(seed)
    total = megabytes * 1024 * 1024
    for n in range(SMALL_FILES_PER_GIB * megabytes // 1024):
        write(f"{root}/auth/{n % 100:02d}/session-{n}.json", session(rng, n))
    database = sqlite3.connect(f"{root}/database.sqlite")
    database.execute("create table execution (id integer primary key, data blob, log text)")
    database.executemany("insert into execution (data, log) values (?, ?)", rows(rng, total * 28 // 100 // 1550))
    database.commit()
    database.close()
    media = max(4, megabytes // 30)
    for n in range(media):
        size = total * 64 // 100 // media
        write(f"{root}/media/voice-{n}.opus", rng.randbytes(size) if n % 2 else compressible(rng, size))
    for n in range(8):
        write(f"{root}/log/n8n-{n}.log", log_lines(rng, total * 6 // 100 // 8))
    for variant in variants:
        variant(root, rng)
    os.symlink("n8n-0.log", f"{root}/log/current")
    os.link(f"{root}/log/n8n-1.log", f"{root}/log/linked.log")
    for path, directories, files in os.walk(root):
        for name in directories + files:
            os.chown(os.path.join(path, name), 1000, 1000, follow_symlinks=False)
    os.chmod(root, 0o750)
    os.chown(root, 1000, 1000)


def change(root, seed):
    """Changes about one percent: some sessions rewritten, some new, some gone, rows updated, a log appended, one new recording."""
    rng = random.Random(seed)
    sessions = sorted(os.path.join(p, f) for p, _, fs in os.walk(f"{root}/auth") for f in fs)
    picked = rng.sample(sessions, max(3, len(sessions) // 100))
    for n, path in enumerate(picked):
        if n % 8 == 0:
            os.remove(path)
        else:
            write(path, session(rng, n))
    write(f"{root}/auth/new-{seed}.json", session(rng, 0))
    database = sqlite3.connect(f"{root}/database.sqlite")
    (count,) = database.execute("select max(id) from execution").fetchone()
    for row in rng.sample(range(1, count), max(1, count // 500)):
        database.execute("update execution set data = ? where id = ?", (rng.randbytes(400), row))
    database.commit()
    database.close()
    with open(f"{root}/log/n8n-0.log", "ab") as file:
        file.write(log_lines(rng, 100_000))
    recording = os.path.getsize(f"{root}/media/voice-1.opus")
    write(f"{root}/media/new-{seed}.opus", rng.randbytes(min(recording, 2 * 1024 * 1024)))


def manifest(root):
    """Everything about a tree that a restore has to bring back, by path."""
    found = {}
    for path, directories, files in os.walk(root):
        for name in ["."] + directories + files if path == root else directories + files:
            full = os.path.join(path, name)
            info = os.lstat(full)
            content = ""
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(full)
            elif stat.S_ISREG(info.st_mode):
                with open(full, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            whole = not stat.S_ISDIR(info.st_mode) and not stat.S_ISLNK(info.st_mode)
            found[os.path.relpath(full, root)] = (
                stat.filemode(info.st_mode), info.st_uid, info.st_gid, int(info.st_mtime) if whole else 0, info.st_nlink if whole else 0, content)
    return found


def warm(root):
    """Reads everything once, so that every tool finds the data in the page cache."""
    for path, _, files in os.walk(root):
        for name in files:
            full = os.path.join(path, name)
            if not os.path.islink(full):
                with open(full, "rb") as file:
                    while file.read(1 << 22):
                        pass
