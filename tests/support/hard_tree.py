#!/usr/bin/env python3
"""Makes a directory that is hard to back up faithfully. Usage: hard_tree.py DIR [FILES]. Needs root for all of it.
With FILES it also has so many small files, and a file of 2 GiB that is nearly nothing but a hole."""
import errno
import os
import socket
import subprocess
import sys

root = os.fsencode(sys.argv[1])
os.makedirs(root)


def at(*names):
    return os.path.join(root, *names)


def put(name, content=b"x", mode=0o644):
    with open(at(name), "wb") as f:
        f.write(content)
    os.chmod(at(name), mode)


def xattr(name, key, value):
    try:
        os.setxattr(at(name), key, value, follow_symlinks=False)
    except OSError as e:
        if e.errno not in (errno.ENOTSUP, errno.EPERM):
            raise


os.mkdir(at(b"modes"))
for mode in (0o000, 0o400, 0o600, 0o644, 0o755, 0o777, 0o4755, 0o2755, 0o1644, 0o6750):
    put(b"modes/%04o" % mode, b"mode %o" % mode, mode)
os.mkdir(at(b"modes/setgid"))
os.chmod(at(b"modes/setgid"), 0o2775)
os.mkdir(at(b"modes/sticky"))
os.chmod(at(b"modes/sticky"), 0o1777)
os.mkdir(at(b"modes/closed"))
put(b"modes/closed/inside")

os.mkdir(at(b"owners"))
for uid, gid in ((0, 0), (1000, 1001), (65534, 65534), (4294967294, 12345)):
    name = b"owners/%d-%d" % (uid, gid)
    put(name)
    os.chown(at(name), uid, gid)

os.mkdir(at(b"times"))
for name, ns in (
    (b"times/nanoseconds", 1_700_000_000_123_456_789),
    (b"times/epoch", 0),
    (b"times/before", -1_000_000_001),
    (b"times/long-before", -2_000_000_000_999_999_999),
    (b"times/far", 4_000_000_000_000_000_001),
):
    put(name)
    os.utime(at(name), ns=(ns, ns))

os.mkdir(at(b"xattrs"))
put(b"xattrs/file")
xattr(b"xattrs/file", b"user.text", b"value")
xattr(b"xattrs/file", b"user.empty", b"")
xattr(b"xattrs/file", b"user.binary", bytes(range(256)))
xattr(b"xattrs/file", b"user.large", b"L" * 2000)
xattr(b"xattrs/file", b"trusted.kept", b"by root")
xattr(b"xattrs/file", b"security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
xattr(b"xattrs", b"user.directory", b"yes")
put(b"xattrs/acl")
os.mkdir(at(b"xattrs/default-acl"))
subprocess.run(["setfacl", "-m", "u:1000:rw,g:1001:r", at(b"xattrs/acl")], check=True)
subprocess.run(["setfacl", "-d", "-m", "u:1000:rwx", at(b"xattrs/default-acl")], check=True)

os.mkdir(at(b"links"))
os.symlink(b"../modes/0644", at(b"links/relative"))
os.symlink(b"/nowhere/at/all", at(b"links/dangling"))
os.symlink(b"links", at(b"links/loop"))
os.symlink(b"..", at(b"links/up"))
try:
    os.symlink(b"t" * 4000, at(b"links/long"))
except OSError:
    # XFS takes no longer ones.
    os.symlink(b"t" * 1000, at(b"links/long"))
os.symlink(b"\xff\xfe-target", at(b"links/target-not-utf8"))
os.utime(at(b"links/relative"), ns=(5, 1_234_567_890_987_654_321), follow_symlinks=False)
os.lchown(at(b"links/dangling"), 1000, 1001)
put(b"links/one", b"several names")
os.link(at(b"links/one"), at(b"links/two"))
os.link(at(b"links/one"), at(b"modes/three"))
os.symlink(b"one", at(b"links/symlink-one"))
os.link(at(b"links/symlink-one"), at(b"links/symlink-two"), follow_symlinks=False)

os.mkdir(at(b"sizes"))
put(b"sizes/empty", b"")
put(b"sizes/one", b"1")
put(b"sizes/big", os.urandom(3 << 20) + bytes(2 << 20))
with open(at(b"sizes/sparse"), "wb") as f:
    f.write(b"head")
    f.seek(64 << 20)
    f.write(b"tail")

os.mkdir(at(b"special"))
os.mkfifo(at(b"special/fifo"), 0o640)
s = socket.socket(socket.AF_UNIX)
os.chdir(at(b"special"))
s.bind("socket")
os.chdir("/")
os.mknod(at(b"special/null"), 0o020666, os.makedev(1, 3))
os.mknod(at(b"special/large-minor"), 0o060600, os.makedev(259, 70000))

names = b"names"
os.mkdir(at(names))
for name in (b"\xff\xfe", b"caf\xe9", "日本語".encode(), b"new\nline", b"tab\there", b'quo"te', b"back\\slash", b"\\x41",
             b"\x01\x7f", b" ", b"-rf", b"*", b"n" * 255, "e\u0301".encode(), "\u00e9".encode(), b"a", b"a.b", b"a-b"):
    put(os.path.join(names, name), name)
os.mkdir(at(names, b"a.dir"))
put(os.path.join(names, b"a.dir", b"inside"))
os.mkdir(at(names, b"dir\xff"))
put(os.path.join(names, b"dir\xff", b"inside"))

os.makedirs(at(b"empty/directory/deep"))
deep = at(b"deep")
for _ in range(60):
    deep = os.path.join(deep, b"d" * 50)
os.makedirs(deep)
with open(os.path.join(deep, b"bottom"), "wb") as f:
    f.write(b"here")

if len(sys.argv) > 2:
    for nth in range(int(sys.argv[2])):
        if nth % 500 == 0:
            directory = at(b"many", b"%03d" % (nth // 500))
            os.makedirs(directory)
        fd = os.open(os.path.join(directory, b"%06d" % nth), os.O_WRONLY | os.O_CREAT, 0o600 + nth % 64)
        os.write(fd, b"%d" % nth * (nth % 40))
        if nth % 50 == 0:
            os.fchown(fd, nth % 3000, nth % 7000)
            os.setxattr(fd, b"user.nth", b"%d" % nth)
        os.close(fd)
    with open(at(b"sizes/hole"), "wb") as f:
        for place in (0, 700 << 20, (2 << 30) - 4):
            f.seek(place)
            f.write(b"here")

for path, ns in ((at(b"times"), 1_500_000_000_000_000_007), (at(b"empty/directory"), -5_000_000_001)):
    os.utime(path, ns=(ns, ns))
os.chmod(at(b"modes/closed"), 0o000)
xattr(b"", b"user.root", b"the volume itself")
os.chown(root, 1000, 1001)
os.chmod(root, 0o2750)
os.utime(root, ns=(1, 1_600_000_000_111_222_333))
