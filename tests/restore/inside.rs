//! Finding one file without restoring all of them.

use crate::scene::Scene;
use std::fs;

#[test]
fn one_file_is_found_read_and_compared() {
    let scene = Scene::new();
    for file in ["conf/app.ini", "conf/sub/x", "gone", "same"] {
        scene.fill(file, "old");
    }
    let first = scene.backup();
    scene.fill("conf/app.ini", "newer");
    scene.fill("conf/added", "x");
    fs::remove_file(scene.root().join("gone")).unwrap();
    let second = scene.backup();
    let say = |args: &[&str]| scene.host.seawall(args);
    let top = say(&["ls", "p"]);
    assert!(top.err.contains(&second[..8]), "the newest: {top:#?}");
    let top = top.ok();
    assert!(
        top.contains("conf/") && top.contains("same") && !top.contains("gone") && !top.contains("app.ini"),
        "{top}"
    );
    let old = say(&["ls", &format!("{}:/conf/", &first[..8]), "--recursive", "-o", "json"]).json();
    let paths: Vec<&str> = old.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["conf/app.ini", "conf/sub", "conf/sub/x"]);
    assert_eq!(say(&["cat", "p:conf/app.ini"]).ok(), "newer");
    assert_eq!(say(&["cat", &format!("{first}:conf/app.ini")]).ok(), "old");
    let diff = say(&["diff", &first, "p"]).ok();
    let lines: Vec<&str> = diff.lines().collect();
    assert_eq!(lines[0], "+ conf/added (1 B)");
    assert!(lines[1].starts_with("M conf/app.ini (size time, 5 B)"), "{diff}");
    assert_eq!(lines[2..], ["- gone (3 B)", "1 added, 1 removed, 1 changed"]);
    let part = say(&["diff", &format!("{first}:conf/sub"), "p:conf/sub"]).ok();
    assert_eq!(part, "0 added, 0 removed, 0 changed\n");
    for (args, says) in [
        (&["ls", "nothing"][..], "no snapshot and no policy with one is called `nothing`"),
        (&["ls", "p:nowhere"], "There is no nowhere in this snapshot"),
        (&["cat", "p"], "no file is named"),
        (&["cat", "p:conf"], "conf is not a file in this snapshot"),
        (&["ls", "p:../x"], "it leads out of it"),
    ] {
        let refused = say(args);
        assert_eq!(refused.code, 1, "{refused:#?}");
        assert!(refused.err.contains(says), "{}", refused.err);
    }
}
