use super::*;
use rstest::rstest;
use std::collections::HashMap;
use tempfile::TempDir;

const CHANGED_AT: &str = "2001-02-03T04:05:06Z";

fn volume(root: &TempDir, options: &[(&str, &str)]) -> Volume {
    let mountpoint = root.path().join("volumes/v/_data");
    fs::create_dir_all(&mountpoint).unwrap();
    Volume {
        name: "v".into(),
        driver: "local".into(),
        mountpoint: mountpoint.to_str().unwrap().into(),
        options: options.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect::<HashMap<_, _>>(),
        ..Volume::default()
    }
}

fn mounted(at: &[&Path]) -> Here {
    let lines = at.iter().map(|path| format!("2 1 0:2 / {} rw - tmpfs tmpfs rw\n", path.display()));
    let text: String = std::iter::once("1 0 0:1 / / rw - ext4 a rw\n".to_owned()).chain(lines).collect();
    Here { mounts: Mounts::parse(text.as_bytes()), ..Here::default() }
}

fn reason(readable: Readable) -> String {
    match readable {
        Readable::At(path) => format!("At({})", path.display()),
        Readable::No { reason, message } => {
            assert!(message.len() > 40, "what to do is missing: {message}");
            reason
        }
    }
}

#[test]
fn a_plain_volume_is_its_mountpoint() {
    let root = TempDir::new().unwrap();
    let plain = volume(&root, &[]);
    assert_eq!(mounted(&[]).readable(&plain), Readable::At(plain.mountpoint.clone().into()));
    // A quota is no mount.
    let sized = volume(&root, &[("size", "1G")]);
    assert_eq!(mounted(&[]).readable(&sized), Readable::At(plain.mountpoint.into()));
}

#[test]
fn a_volume_that_is_not_here_is_not_readable() {
    let root = TempDir::new().unwrap();
    let gone = Volume { mountpoint: "/nowhere/volumes/v/_data".into(), ..volume(&root, &[]) };
    let Readable::No { reason, message } = mounted(&[]).readable(&gone) else { panic!("readable") };
    assert_eq!(reason, "NoSuchDirectory");
    assert!(message.contains("--volume /nowhere/volumes:/nowhere/volumes:ro,rslave"), "{message}");
    let nfs = Volume { mountpoint: gone.mountpoint, ..volume(&root, &[("type", "nfs"), ("device", ":/x")]) };
    assert_eq!(self::reason(mounted(&[]).readable(&nfs)), "NoSuchDirectory");
}

#[test]
fn what_stands_in_place_of_the_directory_is_not_the_volume() {
    let root = TempDir::new().unwrap();
    let plain = volume(&root, &[]);
    fs::remove_dir(&plain.mountpoint).unwrap();
    std::os::unix::fs::symlink("/etc", &plain.mountpoint).unwrap();
    assert_eq!(reason(mounted(&[]).readable(&plain)), "NotADirectory");
}

#[test]
fn other_drivers_are_not_readable() {
    let root = TempDir::new().unwrap();
    let other = Volume { driver: "rexray".into(), ..volume(&root, &[]) };
    assert_eq!(reason(mounted(&[]).readable(&other)), "NotLocalDriver");
}

#[rstest]
#[case(&[("type", "nfs"), ("o", "addr=10.0.0.1,rw"), ("device", ":/export")])]
#[case(&[("type", "tmpfs"), ("device", "tmpfs")])]
#[case(&[("type", "cifs"), ("device", "//server/share")])]
fn a_volume_mounted_from_elsewhere_is_readable_while_it_is_mounted(#[case] options: &[(&str, &str)]) {
    let root = TempDir::new().unwrap();
    let volume = volume(&root, options);
    assert_eq!(reason(mounted(&[]).readable(&volume)), "NotMounted");
    // The directory above, or another volume, is mounted: not this one.
    let at = Path::new(&volume.mountpoint);
    assert_eq!(reason(mounted(&[at.parent().unwrap()]).readable(&volume)), "NotMounted");
    assert_eq!(mounted(&[at]).readable(&volume), Readable::At(at.to_owned()));
}

#[test]
fn a_bound_directory_is_read_in_its_own_place() {
    let root = TempDir::new().unwrap();
    let device = root.path().join("data");
    fs::create_dir(&device).unwrap();
    let device = device.canonicalize().unwrap();
    let link = root.path().join("link");
    std::os::unix::fs::symlink(&device, &link).unwrap();
    for given in [&device, &link] {
        let bound = volume(&root, &[("type", "none"), ("o", "ro,bind"), ("device", given.to_str().unwrap())]);
        assert_eq!(mounted(&[]).readable(&bound), Readable::At(device.clone()));
        // Something else is mounted where containers see the volume: that is what they see.
        let at = Path::new(&bound.mountpoint);
        assert_eq!(mounted(&[at]).readable(&bound), Readable::At(at.to_owned()));
    }
}

#[test]
fn in_a_container_a_bound_directory_counts_only_where_it_was_mounted() {
    let root = TempDir::new().unwrap();
    let device = root.path().canonicalize().unwrap().join("data");
    fs::create_dir(&device).unwrap();
    let bound = volume(&root, &[("type", "none"), ("o", "bind"), ("device", device.to_str().unwrap())]);
    let inside = |mounts: &[&Path]| Here { in_container: true, ..mounted(mounts) };
    let Readable::No { reason, message } = inside(&[]).readable(&bound) else { panic!("readable") };
    assert_eq!(reason, "NotMounted");
    assert!(message.contains("rslave"), "{message}");
    assert_eq!(inside(&[&device]).readable(&bound), Readable::At(device));
}

#[test]
fn a_bound_directory_that_is_gone_is_not_readable() {
    let root = TempDir::new().unwrap();
    let bound = volume(&root, &[("type", "none"), ("o", "bind"), ("device", "/nowhere/data")]);
    assert_eq!(reason(mounted(&[]).readable(&bound)), "NotMounted");
}

#[test]
fn a_remote_engine_is_believed_to_be_this_host_only_by_a_change_time() {
    let root = TempDir::new().unwrap();
    let plain = volume(&root, &[]);
    let created = |at: Timestamp| Volume { created_at: Some(at.to_string()), ..plain.clone() };
    let ctime = fs::metadata(&plain.mountpoint).unwrap().ctime();
    let here = created(Timestamp::from_second(ctime).unwrap());
    let elsewhere = created(CHANGED_AT.parse().unwrap());
    let later = Timestamp::from_second(ctime + 60).unwrap();
    let look = |volumes: &[Volume], listed| Here::look(Some((volumes, listed))).readable(&plain);
    assert_eq!(reason(look(std::slice::from_ref(&elsewhere), later)), "OtherHost");
    assert_eq!(reason(look(&[], later)), "OtherHost");
    // One that fits is enough; a directory that changed since the listing may be the very one.
    let at = Readable::At(plain.mountpoint.clone().into());
    assert_eq!(look(&[elsewhere.clone(), here], later), at);
    assert_eq!(look(&[elsewhere], Timestamp::from_second(ctime).unwrap()), at);
}

#[test]
fn a_directory_that_this_user_may_not_read_says_so() {
    let error = io::Error::from(io::ErrorKind::PermissionDenied);
    assert_eq!(reason(unreachable(Path::new("/volumes/v/_data"), &error)), "PermissionDenied");
}
