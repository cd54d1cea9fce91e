#!/usr/bin/env python3
"""Makes archives that nobody should trust, one per trick. Usage: hostile_archives.py DIR VICTIM. Prints
their names. VICTIM is the absolute path of a directory that they try to reach, beside the one they are unpacked in."""
import gzip
import io
import os
import subprocess
import sys
import tarfile

out, victim = sys.argv[1:3]
STAMP = "_20260123_140530"


def entry(name, kind=tarfile.REGTYPE, link="", content=b"", mode=0o644, **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode, info.mtime = kind, link, len(content), mode, 1_700_000_000
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def pack(entries, form=tarfile.GNU_FORMAT):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form, errors="surrogateescape") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return stream.getvalue()


def write(name, data):
    with open(os.path.join(out, f"{name}{STAMP}.tar"), "wb") as f:
        f.write(data)
    print(name)


def one(name, *entries, **more):
    write(name, pack([entry("data/", tarfile.DIRTYPE, mode=0o755), entry("data/good", content=b"good"), *entries], **more))


def checksummed(block):
    block = bytearray(block)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


SYM, LNK, DIR, FIFO, CHR, BLK = (
    tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE)

one("upwards", entry("data/../../outside", content=b"evil"))
one("upwards-at-once", entry("../outside", content=b"evil"))
one("upwards-pax", entry("data/x", content=b"evil", pax_headers={"path": "data/../../outside"}), form=tarfile.PAX_FORMAT)
one("upwards-long", entry("data/" + "d/" * 90 + "../" * 95 + "outside", content=b"evil"))
one("through-link", entry("data/way", SYM, victim), entry("data/way/outside", content=b"evil"))
one("through-relative-link", entry("data/way", SYM, "../../victim"), entry("data/way/outside", content=b"evil"))
one("through-link-made-late", entry("data/way", DIR), entry("data/way/a"), entry("data/way", SYM, victim), entry("data/way/b"))
one("over-link", entry("data/way", SYM, victim + "/outside"), entry("data/way", content=b"evil"))
one("hard-link-outside", entry("data/x", LNK, victim + "/secret"))
one("hard-link-upwards", entry("data/x", LNK, "../../victim/secret"))
one("hard-link-through-link", entry("data/way", SYM, victim), entry("data/x", LNK, "data/way/secret"))
one("hard-link-to-later", entry("data/x", LNK, "data/y"), entry("data/y", content=b"y"))
one("hard-link-to-directory", entry("data/d", DIR), entry("data/x", LNK, "data/d"))
one("character-device", entry("data/null", CHR, devmajor=1, devminor=3))
one("block-device", entry("data/disk", BLK, devmajor=8, devminor=0))
one("file-then-directory", entry("data/x", content=b"x"), entry("data/x", DIR))
one("directory-then-file", entry("data/x", DIR), entry("data/x", content=b"x"))
one("file-as-parent", entry("data/x", content=b"x"), entry("data/x/y", content=b"y"))
one("root-is-a-file", entry("data", content=b"x"))
one("name-too-long", entry("data/" + "n" * 300, content=b"x"))
one("path-too-long", entry("data/" + "n/" * 2500 + "x", content=b"x"))
one("zero-in-name", entry("data/x", content=b"x", pax_headers={"path": "data/a\0b"}), form=tarfile.PAX_FORMAT)
one("unknown-kind", entry("data/x", b"Z"))
one("empty-target", entry("data/x", SYM, ""))

good = pack([entry("data/", DIR, mode=0o755), entry("data/good", content=b"g" * 5000), entry("data/more", content=b"m" * 5000)])
write("truncated-header", good[:700])
write("truncated-content", good[:512 * 4])
write("no-end", good[:512 * (1 + 1 + 10 + 1 + 10)])
write("bad-checksum", good[:600] + b"!" + good[601:])
write("truncated-gzip", gzip.compress(good)[:-9])
packed = bytearray(gzip.compress(good))
packed[-6] ^= 0x55
write("bad-gzip-checksum", bytes(packed))
zstd = subprocess.run(["zstd", "-q", "--check", "-c"], input=good, stdout=subprocess.PIPE, check=True).stdout
write("truncated-zstd", zstd[:-3])
write("bad-zstd-checksum", zstd[:-1] + bytes([zstd[-1] ^ 1]))
write("joined", good + good)
write("trailing", good + b"\0" * 512 + b"evil" * 128)
write("empty", b"")
write("no-tar", b"\0\1\2\3" * 400)
write("nothing-in-it", b"\0" * 10240)

# Bombs: zeros behind zstd, a size that is a lie, a sparse file of half the world, parts that overlap, endless headers.
zeros = subprocess.Popen(["zstd", "-q", "-c", "-3", "--long=27"], stdin=subprocess.PIPE, stdout=open(os.path.join(out, "zstd-bomb" + STAMP + ".tar"), "wb"))
info = tarfile.TarInfo("data/zeros")
info.size = 200 << 30
zeros.stdin.write(info.tobuf(tarfile.GNU_FORMAT))
for _ in range(64):
    zeros.stdin.write(b"\0" * (1 << 20))
zeros.stdin.close()
zeros.wait()
print("zstd-bomb")


def sparse(name, real, parts, stored):
    header = bytearray(tarfile.TarInfo("data/sparse").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"%011o\0" % len(stored)
    header[156:157] = b"S"
    for at, (offset, length) in zip(range(386, 482, 24), parts):
        header[at:at + 24] = b"%011o\0%011o\0" % (offset, length)
    header[483:495] = (b"%011o\0" % real) if real < 8 ** 11 else b"\x80" + real.to_bytes(11, "big")
    write(name, checksummed(header) + stored + b"\0" * (-len(stored) % 512) + b"\0" * 1024)


sparse("sparse-bomb", 1 << 60, [(0, 4)], b"data")
sparse("sparse-overlap", 1000, [(0, 4), (2, 4)], b"datadata")
sparse("sparse-beyond", 6, [(4, 4)], b"data")
sparse("sparse-short", 1000, [(0, 8)], b"data")

header = tarfile.TarInfo("data/endless")
header.type, header.size = tarfile.XHDTYPE, 0
write("endless-headers", header.tobuf(tarfile.GNU_FORMAT) * 200 + good)
header = tarfile.TarInfo("data/large")
header.type, header.size = tarfile.XHDTYPE, 1 << 33
write("huge-header", header.tobuf(tarfile.GNU_FORMAT) + good)
for name, record in (("pax-length-lies", b"99 path=x\n"), ("pax-no-length", b"path=x\n"), ("pax-negative", b"-9 path=x\n")):
    header = tarfile.TarInfo("data/pax")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    write(name, header.tobuf(tarfile.GNU_FORMAT) + record.ljust(512, b"\0") + good)
for name, pax in (("size-lies", {"size": "99999999999999999999"}), ("owner-lies", {"uid": "4294967296"}), ("time-lies", {"mtime": "x"})):
    one(name, entry("data/x", content=b"x", pax_headers=pax), form=tarfile.PAX_FORMAT)
