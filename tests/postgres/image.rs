//! An image with Debian's PostgreSQL server in it and no more than it needs, made from scratch out of this host's files.

use crate::server::binaries;
use crate::support::engine::Engine;
use crate::support::operator::run;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the image; made on first use.
pub fn postgres(engine: &Engine) -> String {
    let version = run(Command::new(binaries().join("postgres")).arg("--version")).ok();
    let version = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap();
    let name = format!("seawall-test-postgres:{version}");
    if engine.try_docker(&["image", "inspect", &name]).is_ok() {
        return name;
    }
    let root = tempfile::tempdir().unwrap();
    let own = binaries();
    let version = own.parent().unwrap();
    let share = Path::new("/usr/share/postgresql").join(version.file_name().unwrap());
    let mut files: BTreeSet<PathBuf> = ["initdb", "postgres"].map(|program| own.join(program)).into();
    for place in [version.join("lib"), share, "/usr/share/zoneinfo/Etc".into(), "/usr/lib/locale/C.utf8".into()] {
        let found = run(Command::new("find").arg(&place).args(["-type", "f", "-o", "-type", "l"])).ok();
        // What compiles at run time brings a compiler along.
        files.extend(
            found.lines().filter(|line| !line.contains("bitcode") && !line.contains("llvm")).map(PathBuf::from),
        );
    }
    let libraries: Vec<PathBuf> = files.iter().filter(|file| is_elf(file)).flat_map(|file| needs(file)).collect();
    files.extend(libraries);
    for file in files {
        copy(&file, root.path());
    }
    copy(Path::new("/bin/busybox"), root.path());
    fs::create_dir_all(root.path().join("bin")).unwrap();
    // `initdb` starts its server by a shell.
    std::os::unix::fs::symlink("busybox", root.path().join("bin/sh")).unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\npostgres:x:7070:7070::/:/bin/sh\n").unwrap();
    fs::create_dir_all(root.path().join("tmp")).unwrap();
    let tar = tempfile::NamedTempFile::new().unwrap();
    run(Command::new("tar").arg("-C").arg(root.path()).arg("-cf").arg(tar.path()).arg(".")).ok();
    let path = format!("ENV PATH={}:/bin", own.display());
    engine.docker(&["import", "--change", &path, tar.path().to_str().unwrap(), &name]);
    name
}

/// To the same place below another root, as what it is in the end.
fn copy(file: &Path, root: &Path) {
    let to = root.join(file.strip_prefix("/").unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(file, &to).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

fn is_elf(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

/// The libraries that are loaded for it, and what loads them.
fn needs(file: &Path) -> Vec<PathBuf> {
    let said = run(Command::new("ldd").arg(file));
    let paths = said.out.split_whitespace().filter(|word| word.starts_with('/'));
    paths.map(PathBuf::from).filter(|path| path.is_file()).collect()
}
