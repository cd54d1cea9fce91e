//! One subtree, or one file, of an archive: brought back by the same rules as one of a snapshot.

use crate::desk::{Desk, RARELY, differences, hard_tree};
use crate::support::engine::Engine;
use crate::support::operator::{Said, policy};
use std::fs;
use std::path::{Path, PathBuf};

struct Scene {
    engine: Engine,
    desk: Desk,
    volume: String,
}

impl Scene {
    /// A volume with other things in it than an archive of a hard tree.
    fn new() -> Self {
        let engine = Engine::shared();
        let volume = engine.volume("part", &[], &[]);
        let desk = Desk::on(&engine, &volume);
        hard_tree(&desk.work("data"));
        desk.shell("tar --format=pax --xattrs --xattrs-include='*' --acls -S -czf n8n_20260123_140530.tar.gz data");
        let scene = Self { engine, desk, volume };
        for directory in ["links", "keep"] {
            fs::create_dir(scene.root().join(directory)).unwrap();
        }
        fs::write(scene.root().join("links/live"), "live").unwrap();
        fs::write(scene.root().join("keep/live"), "live").unwrap();
        scene
    }

    fn root(&self) -> PathBuf {
        self.engine.mountpoint(&self.volume)
    }

    fn restore(&self, args: &[&str]) -> Said {
        let file = self.desk.work("n8n_20260123_140530.tar.gz").display().to_string();
        let mut all = vec!["restore", "p", "--yes", "--from-archive", &file];
        all.extend(args);
        self.desk.host.seawall(&all)
    }

    fn is_as_before(&self) -> bool {
        let list = |at: &Path| {
            let mut names: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let root = self.root();
        list(&root) == ["keep", "links"]
            && list(&root.join("links")) == ["live"]
            && list(&root.join("keep")) == ["live"]
    }
}

#[test]
fn a_directory_takes_the_place_of_one_and_can_be_undone() {
    let scene = Scene::new();
    let app = scene.engine.sleeper("app", &[&format!("--volume={}:/data", scene.volume), "--stop-timeout=1"]);
    // Names of one file are in it and outside it, where the archive has them first or later.
    let said = scene.restore(&["--path", "links"]);
    assert_eq!(said.code, 0, "{said:#?}");
    for part in ["tar, gzip", "links: ", "links as it is now", &app] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    assert!(said.out.contains(" at links"), "{said:#?}");
    let links = |at: PathBuf| differences(&scene.desk.work("data/links"), &at);
    // One name of the file is outside, so that fewer are left.
    let found: Vec<String> =
        links(scene.root().join("links")).into_iter().filter(|line| !line.contains("nlink")).collect();
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(fs::read_to_string(scene.root().join("keep/live")).unwrap(), "live");
    assert_eq!(fs::read(scene.root().join("links/one")).unwrap(), b"several names");
    let listed = scene.desk.host.seawall(&["describe", "policy", "p"]).ok();
    assert!(listed.contains("links"), "{listed}");
    scene.desk.host.seawall(&["restore", "p", "--undo", "--yes"]).ok();
    assert!(scene.is_as_before());
    scene.desk.host.seawall(&["restore", "p", "--discard", "--yes"]).ok();

    // A directory that is not there, in one that is.
    scene.restore(&["--path", "/xattrs/"]).ok();
    assert_eq!(differences(&scene.desk.work("data/xattrs"), &scene.root().join("xattrs")), Vec::<String>::new());
    scene.desk.host.seawall(&["restore", "p", "--undo", "--yes"]).ok();
    assert!(scene.is_as_before());
}

#[test]
fn a_file_takes_the_place_of_one_and_goes_elsewhere() {
    let scene = Scene::new();
    fs::create_dir(scene.root().join("modes")).unwrap();
    fs::write(scene.root().join("modes/6750"), "live").unwrap();
    fs::write(scene.root().join("modes/other"), "other").unwrap();
    // Every name of a file with several gives its content.
    for name in ["modes/three", "links/one", "links/two"] {
        let to = scene.desk.work(&format!("to-{}", name.replace('/', "-")));
        let said = scene.restore(&["--path", name, "--to", to.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{name}: {said:#?}");
        let file = to.join(Path::new(name).file_name().unwrap());
        assert_eq!(fs::read(file).unwrap(), b"several names", "{name}");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 1, "{name}");
    }
    scene.restore(&["--path", "modes/6750"]).ok();
    let (was, is) = (scene.desk.work("data/modes/6750"), scene.root().join("modes/6750"));
    let seen = |at: &Path| {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(at).unwrap();
        (found.mode(), found.uid(), found.mtime(), found.mtime_nsec(), fs::read(at).unwrap())
    };
    assert_eq!(seen(&was), seen(&is));
    assert_eq!(fs::read_to_string(scene.root().join("modes/other")).unwrap(), "other");
    scene.desk.host.seawall(&["restore", "p", "--undo", "--yes"]).ok();
    assert_eq!(fs::read_to_string(&is).unwrap(), "live");

    let other = format!("{}-other", scene.volume);
    scene.restore(&["--path", "xattrs", "--to", &other]).ok();
    assert_eq!(differences(&scene.desk.work("data/xattrs"), &scene.engine.mountpoint(&other)), Vec::<String>::new());
    scene.engine.docker(&["volume", "rm", &other]);
    let said = scene.restore(&["--path", "modes/0644", "--to", &other]);
    assert!(said.code == 1 && said.out.contains("goes a whole directory"), "{said:#?}");
}

#[test]
fn what_is_not_there_or_leads_out_is_refused_before_anything_stops() {
    let scene = Scene::new();
    let app = scene.engine.sleeper("app", &[&format!("--volume={}:/data", scene.volume), "--stop-timeout=1"]);
    let started = || scene.engine.docker(&["inspect", "--format={{.State.StartedAt}}", &app]);
    let before = started();
    for (path, part) in [
        ("nothing", "nothing in it below data/nothing"),
        ("../links", "leads upwards"),
        ("links/one/more", "nothing in it below"),
        ("data/links", "nothing in it below data/data/links"),
    ] {
        let said = scene.restore(&["--path", path]);
        assert!(said.code == 1 && said.err.contains(part), "{path}: {said:#?}");
    }
    // Its parent in the volume is a file, or a link that leads elsewhere.
    fs::write(scene.root().join("sizes"), "a file").unwrap();
    std::os::unix::fs::symlink("/etc", scene.root().join("special")).unwrap();
    for path in ["sizes/one", "special/fifo"] {
        let said = scene.restore(&["--path", path]);
        assert!(said.code == 1 && said.out.contains("Cannot find a directory"), "{path}: {said:#?}");
    }
    assert_eq!(started(), before);
    fs::remove_file(scene.root().join("sizes")).unwrap();
    fs::remove_file(scene.root().join("special")).unwrap();
    assert!(scene.is_as_before());
    let left = fs::read_dir(scene.root().parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "nothing is left beside it");
}

#[test]
fn an_operator_takes_a_part_too() {
    let scene = Scene::new();
    scene.desk.host.write("p.yaml", &policy("p", &scene.volume, RARELY, &["suspend: true"]));
    let operator = scene.desk.host.start();
    scene.restore(&["--path", "xattrs"]).ok();
    assert_eq!(differences(&scene.desk.work("data/xattrs"), &scene.root().join("xattrs")), Vec::<String>::new());
    assert_eq!(fs::read_to_string(scene.root().join("links/live")).unwrap(), "live");
    operator.stop();
}
