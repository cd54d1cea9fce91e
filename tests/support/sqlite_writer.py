"""An application with an SQLite database: writes rows that can be checked, for ever, until its standard input ends.

usage: sqlite_writer.py UID PATH wal|delete HOW [MEGABYTES]

HOW is what it does after filling the database and printing `ready`:
  write   commits a row, prints its number, and again
  idle    keeps the database open and does what it is told by lines: `row` commits a row and prints its number
  locked  holds the database's exclusive lock
  half    is in the middle of a transaction that has reached the file
"""

import hashlib
import os
import sqlite3
import sys
import threading

uid = int(sys.argv[1])
path, mode, how = sys.argv[2:5]
megabytes = int(sys.argv[5]) if len(sys.argv) > 5 else 0
# Only now: the interpreter may lie where nobody else can reach it.
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
db = sqlite3.connect(path, isolation_level=None, timeout=5)
assert db.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0] == mode
db.execute("PRAGMA synchronous = OFF")
db.execute("CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, sum TEXT NOT NULL)")
db.execute("CREATE TABLE IF NOT EXISTS ballast (content BLOB)")
for _ in range(megabytes):
    db.execute("INSERT INTO ballast VALUES (?)", (os.urandom(1 << 20),))
n = db.execute("SELECT count(*) FROM rows").fetchone()[0]


def row():
    global n
    n += 1
    db.execute("INSERT INTO rows VALUES (?, ?)", (n, hashlib.sha256(str(n).encode()).hexdigest()))
    print(n, flush=True)


row()
print("ready", flush=True)
if how == "write":
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(0.001):
        row()
elif how == "idle":
    for line in sys.stdin:
        row()
elif how == "locked":
    db.execute("BEGIN EXCLUSIVE")
    print("locked", flush=True)
    sys.stdin.read()
elif how == "half":
    db.execute("PRAGMA cache_size = 10")
    db.execute("BEGIN")
    db.execute("UPDATE ballast SET content = zeroblob(1 << 20)")
    db.execute("INSERT INTO rows VALUES (1000000, 'never committed')")
    print("half", flush=True)
    sys.stdin.read()
db.close()
print("closed", flush=True)
