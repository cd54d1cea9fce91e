#!/usr/bin/env python3
"""Compares two directories with everything that a file system says about them. Usage: compare_trees.py A B.
Prints one line per difference, `path<TAB>what`; no line means equal. Shares no code with what is tested."""
import hashlib
import os
import stat
import sys

TYPES = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
         stat.S_IFSOCK: "socket", stat.S_IFBLK: "block", stat.S_IFCHR: "char"}


def walk(root):
    seen, inodes = {}, {}

    def visit(path, rel):
        st = os.lstat(path)
        kind = TYPES[stat.S_IFMT(st.st_mode)]
        entry = {"type": kind, "mode": oct(stat.S_IMODE(st.st_mode)), "uid": st.st_uid, "gid": st.st_gid,
                 "mtime": st.st_mtime_ns,
                 "xattrs": sorted((k, os.getxattr(path, k, follow_symlinks=False))
                                  for k in os.listxattr(path, follow_symlinks=False))}
        if kind != "dir":
            inodes.setdefault((st.st_dev, st.st_ino), []).append(rel)
        if kind == "file":
            digest = hashlib.sha256()
            with open(path, "rb") as f:
                while block := f.read(1 << 20):
                    digest.update(block)
            entry["size"], entry["content"] = st.st_size, digest.hexdigest()
        elif kind == "symlink":
            entry["target"] = os.readlink(path)
        elif kind in ("block", "char"):
            entry["device"] = (os.major(st.st_rdev), os.minor(st.st_rdev))
        seen[rel] = entry
        if kind == "dir":
            for name in sorted(os.listdir(path)):
                visit(os.path.join(path, name), os.path.join(rel, name) if rel else name)

    visit(root, b"")
    for names in inodes.values():
        for name in names:
            seen[name]["names"] = sorted(names)
    return seen


a, b = walk(os.fsencode(sys.argv[1])), walk(os.fsencode(sys.argv[2]))
for rel in sorted(a.keys() | b.keys()):
    name = rel.decode("utf-8", "backslashreplace").replace("\n", "\\n") or "."
    if rel not in a or rel not in b:
        print(f"{name}\tonly in the {'first' if rel in a else 'second'}")
        continue
    for field in a[rel].keys() | b[rel].keys():
        if a[rel].get(field) != b[rel].get(field):
            print(f"{name}\t{field}: {a[rel].get(field)} != {b[rel].get(field)}".replace("\n", "\\n"))
