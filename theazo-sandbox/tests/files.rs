//! The host's way to a sandbox's files, whatever the sandbox put there.
#![cfg(target_os = "linux")]

mod common;

use common::{python, shell, text, world, world_without_root};
use rustix::fs::{Mode, OFlags};
use theazo_sandbox::Error;
use theazo_sandbox::files::{
    DEFAULT_LIMIT, Roots, list, make_directory, read, remove, remove_tree, rename, size, usage, write,
};

fn roots() -> (tempfile::TempDir, Roots) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let roots = Roots { workspace: directory.path().join("workspace"), data: directory.path().join("data") };
    for root in [&roots.workspace, &roots.data] {
        std::fs::create_dir(root).expect("a directory can be made");
    }
    (directory, roots)
}

fn names(roots: &Roots, path: &str) -> Vec<String> {
    list(roots, path).expect("it is listed").into_iter().map(|entry| entry.name).collect()
}

#[test]
fn paths_lead_to_the_workspace_unless_they_say_otherwise() {
    let (_directory, roots) = roots();

    write(&roots, "a/b/c.txt", b"one", DEFAULT_LIMIT).expect("it is written");
    write(&roots, "/data/d.txt", b"two", DEFAULT_LIMIT).expect("it is written");
    write(&roots, "/workspace/a/b/c.txt", b"three", DEFAULT_LIMIT).expect("it is replaced");

    assert_eq!(read(&roots, "./a/../a/b//c.txt", DEFAULT_LIMIT).expect("it is read"), b"three");
    assert_eq!(read(&roots, "../data/d.txt", DEFAULT_LIMIT).expect("it is read"), b"two");
    assert_eq!(
        (names(&roots, "/"), names(&roots, ""), names(&roots, "/data")),
        (vec!["data".to_owned(), "workspace".to_owned()], vec!["a".to_owned()], vec!["d.txt".to_owned()])
    );
    let entry = list(&roots, "a/b").expect("it is listed").remove(0);
    assert_eq!((entry.size, entry.directory), (5, false));
}

#[test]
fn other_paths_are_outside() {
    let (_directory, roots) = roots();

    for path in [
        "/etc/passwd",
        "../../etc/passwd",
        "/workspace/../etc",
        "/workspacex/a",
        "/tmp/x",
        "a/../../../b",
        "/data/../..",
    ] {
        let errors = [read(&roots, path, 1).err(), write(&roots, path, b"", 1).err(), remove(&roots, path, true).err()];
        for error in errors {
            assert!(
                matches!(&error, Some(Error::OutsideSandbox { path: named }) if named == path),
                "{path}: {error:?}"
            );
        }
    }
}

#[test]
fn what_is_not_there_or_not_a_file_is_named() {
    let (_directory, roots) = roots();
    write(&roots, "file", b"12345", DEFAULT_LIMIT).expect("it is written");

    assert_eq!(read(&roots, "none", 1).expect_err("it is missing").to_string(), "there is no `none` in the sandbox");
    assert_eq!(read(&roots, "", 1).expect_err("it is a directory").to_string(), "`` is not a regular file");
    assert_eq!(list(&roots, "file").expect_err("it is a file").to_string(), "`file` is not a directory");
    assert_eq!(
        read(&roots, "file", 4).expect_err("it is long").to_string(),
        "`file` is larger than the limit of 4 bytes"
    );
    assert!(matches!(write(&roots, "big", b"12", 1), Err(Error::TooLarge { limit: 1, .. })));
    assert!(matches!(write(&roots, "/workspace", b"", 1), Err(Error::NotAFile { .. })));
    for path in ["x".repeat(256), "x/".repeat(33_000)] {
        let errors = [read(&roots, &path, 1).err(), write(&roots, &path, b"", 1).err(), list(&roots, &path).err()];
        for error in errors {
            assert!(matches!(&error, Some(Error::InvalidInput { parameter: "path", .. })), "{error:?}");
        }
    }
    assert!(matches!(remove(&roots, "/data/", true), Err(Error::InvalidInput { parameter: "path", .. })));
}

#[tokio::test]
async fn links_that_a_program_planted_do_not_lead_out() {
    let world = world().await;
    let (sandbox, roots) = (world.sandbox("links").await, world.roots("links"));
    let outside = world.directory.path().join("outside");
    std::fs::create_dir(&outside).expect("a directory can be made");
    std::fs::write(outside.join("canary"), "secret").expect("the file is written");
    let outside_path = outside.display();
    let planted = format!(
        "ln -s {outside_path}/canary absolute; ln -s ../../outside/canary relative; ln -s {outside_path} directory
        ln -s /proc/self/root magic; mkfifo pipe; ln -s /etc/passwd passwd; ln -s inside good; echo fine > inside; ln -s loop loop"
    );
    text(&shell(&sandbox, &planted).await);

    for path in ["absolute", "relative", "directory/canary", "magic/etc/passwd", "passwd", "loop", "pipe"] {
        assert!(read(&roots, path, DEFAULT_LIMIT).is_err(), "{path}");
    }
    assert_eq!(read(&roots, "good", DEFAULT_LIMIT).expect("it stays inside"), b"fine\n");
    assert!(list(&roots, "directory").is_err());
    write(&roots, "absolute", b"own", DEFAULT_LIMIT).expect("the link itself is replaced");
    assert!(write(&roots, "directory/new", b"", DEFAULT_LIMIT).is_err() || !outside.join("new").exists());
    remove(&roots, "directory", true).expect("the link itself is removed");

    assert_eq!(std::fs::read_to_string(outside.join("canary")).expect("it is still there"), "secret");
    assert_eq!(std::fs::read_dir(&outside).expect("it is still there").count(), 1);
}

#[tokio::test]
async fn host_and_program_can_change_each_other_s_files() {
    let world = world().await;
    let (sandbox, roots) = (world.sandbox("shared").await, world.roots("shared"));

    write(&roots, "deep/er/from-host", b"1", DEFAULT_LIMIT).expect("it is written");
    text(
        &shell(
            &sandbox,
            "echo 2 >> deep/er/from-host; mkdir own; echo 3 > own/file; chmod 700 own; rm -r deep/er/../../deep/er",
        )
        .await,
    );
    write(&roots, "own/file", b"4", DEFAULT_LIMIT).expect("it is replaced");
    assert_eq!(text(&shell(&sandbox, "cat own/file; echo 5 > own/file").await), "4");

    remove(&roots, "own", true).expect("it is removed with all in it");
    assert_eq!(names(&roots, ""), ["deep"]);
}

#[tokio::test]
async fn a_tree_of_any_depth_and_mode_is_measured_and_removed() {
    for world in [world().await, world_without_root().await] {
        let (sandbox, roots) = (world.sandbox("deep").await, world.roots("deep"));
        let code = "
import os
def deep(name, depth):
    os.mkdir(name); os.chdir(name)
    for _ in range(depth):
        open('f', 'w').write('12345'); os.mkdir('d'); os.chdir('d')
    os.chdir('/workspace')
os.makedirs('.theazo-removed-1/x')
deep('short', 1900)
deep('long', 3000)
os.makedirs('closed/inner/x'); open('closed/inner/file', 'w').close()
os.chmod('closed/inner', 0); os.chmod('closed', 0)
os.symlink('/workspace', 'link'); os.mkfifo('pipe')";
        text(&python(&sandbox, code).await);

        // No path reaches what is deeper than 2000.
        assert!(size(&roots) > 1900 * 2 * 5, "{}", size(&roots));
        remove(&roots, "short", true).expect("it is removed");
        remove(&roots, "closed", true).expect("it is removed");
        sandbox.destroy().await.expect("it is destroyed");
        remove_tree(&roots.workspace).expect("it is removed");
        assert!(!roots.workspace.exists());
        assert_eq!(remove_tree(&roots.workspace).expect_err("it is gone").kind(), std::io::ErrorKind::NotFound);
    }
}

#[test]
fn a_tree_is_measured_with_few_descriptors_whatever_is_left_to_look_at_on_the_way() {
    // In memory, where making so many takes no time.
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory can be made");
    let roots = Roots { workspace: directory.path().join("workspace"), data: directory.path().join("none") };
    std::fs::create_dir(&roots.workspace).expect("it is made");
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut folder = rustix::fs::open(&roots.workspace, flags, Mode::empty()).expect("it opens");
    // On each of many levels there are folders that wait until all below is looked at.
    for _ in 0..5000 {
        for name in ["a", "b", "c"] {
            rustix::fs::mkdirat(&folder, name.repeat(250), Mode::RWXU).expect("it is made");
        }
        folder = rustix::fs::openat(&folder, "b".repeat(250), flags, Mode::empty()).expect("it opens");
    }
    let open = || std::fs::read_dir("/proc/self/fd").expect("it is read").count();
    let (stop, before) = (std::sync::atomic::AtomicBool::new(false), open());

    let (counted, most) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                most = most.max(open());
            }
            most
        });
        let counted = usage(&roots).entries;
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (counted, watching.join().expect("it ends"))
    });

    assert_eq!(counted, 15_000);
    // Other tests of this process open some as well.
    assert!(most < before + 300, "{most} descriptors instead of {before}");
    drop(folder);
    remove_tree(&roots.workspace).expect("it is removed");
}

#[test]
fn a_walk_through_folders_that_move_meanwhile_comes_to_its_end_and_leads_nowhere_else() {
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory can be made");
    let roots = Roots { workspace: directory.path().join("workspace"), data: directory.path().join("none") };
    std::fs::create_dir(&roots.workspace).expect("it is made");
    let outside = directory.path().join("outside");
    std::fs::write(&outside, "stays").expect("it is written");
    make_directory(&roots, &format!("one/moved/{}", vec!["d"; 100].join("/"))).expect("it is made");
    make_directory(&roots, "two").expect("it is made");
    let [here, there] = ["one/moved", "two/moved"].map(|path| roots.workspace.join(path));
    let stop = std::sync::atomic::AtomicBool::new(false);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for (from, to) in [(&here, &there), (&there, &here)] {
                    // It may be removed by now.
                    let _ = std::fs::rename(from, to);
                }
            }
        });
        for _ in 0..500 {
            // What moves may be seen at both places, or at none.
            assert!((2..=206).contains(&usage(&roots).entries), "{:?}", usage(&roots));
        }
        for path in ["one", "two"] {
            remove(&roots, path, true).expect("it is removed");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });

    assert_eq!((names(&roots, ""), usage(&roots).entries), (Vec::new(), 0));
    assert_eq!(std::fs::read_to_string(&outside).expect("it is there"), "stays");
}

#[test]
fn a_path_longer_than_the_system_takes_leads_to_files_all_the_same() {
    let (_directory, roots) = roots();
    let deep = vec!["n".repeat(200); 50].join("/");
    assert!(deep.len() > 10_000);
    let file = format!("{deep}/file");

    write(&roots, &file, b"deep", DEFAULT_LIMIT).expect("it is written");
    make_directory(&roots, &format!("{deep}/made")).expect("it is made");
    rename(&roots, &file, &format!("{deep}/made/moved"), false).expect("it is moved");

    assert_eq!(read(&roots, &format!("/workspace/{deep}/made/moved"), 10).expect("it is read"), b"deep");
    assert_eq!(names(&roots, &deep), ["made"]);
    remove(&roots, &format!("{deep}/made/moved"), false).expect("it is removed");
    assert!(matches!(read(&roots, &format!("{deep}/made/moved"), 10), Err(Error::NotFound { .. })));
    let invalid = |path: &str| match read(&roots, path, 10) {
        Err(Error::InvalidInput { parameter: "path", problem }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(invalid(&format!("{deep}/{}", "x".repeat(256))), "has a name longer than 255 bytes");
    assert_eq!(invalid(&"x/".repeat(40_000)), "is longer than 65536 bytes");
    remove(&roots, deep.split('/').next().expect("it has one"), true).expect("it is removed with all in it");
    assert_eq!(names(&roots, ""), Vec::<String>::new());
}

#[test]
fn a_link_leads_on_in_a_path_that_is_resolved_at_once_and_not_below() {
    let (_directory, roots) = roots();
    let deep = vec!["n".repeat(200); 50].join("/");
    write(&roots, &format!("{deep}/file"), b"there", DEFAULT_LIMIT).expect("it is written");
    std::os::unix::fs::symlink("n".repeat(200), roots.workspace.join("link")).expect("it is made");
    let mut folder = rustix::fs::open(&roots.workspace, OFlags::PATH, Mode::empty()).expect("it opens");
    for name in deep.split('/') {
        folder = rustix::fs::openat(&folder, name, OFlags::PATH, Mode::empty()).expect("it opens");
    }
    rustix::fs::symlinkat("/", &folder, "out").expect("it is made");

    let by_link = deep.replacen(&"n".repeat(200), "link", 1);
    assert_eq!(read(&roots, &format!("{by_link}/file"), 10).expect("it is read"), b"there");
    let refused = read(&roots, &format!("{deep}/out/etc/passwd"), 1 << 20).expect_err("it is a link");
    let problem = "path leads through too many links, or through one after its first 4095 bytes";
    assert_eq!(refused.to_string(), problem);
}

#[test]
fn files_and_directories_move_and_replace_only_what_they_may() {
    let (_directory, roots) = roots();
    write(&roots, "a/file", b"one", DEFAULT_LIMIT).expect("it is written");
    write(&roots, "other", b"two", DEFAULT_LIMIT).expect("it is written");

    let moved = rename(&roots, "a/file", "/data/new/place", false).expect("it is moved");
    assert_eq!((moved.name.as_str(), moved.size, moved.directory), ("place", 3, false));
    let there = rename(&roots, "other", "/data/new/place", false).expect_err("something is there");
    assert_eq!(there.to_string(), "there is a `/data/new/place` in the sandbox already");
    rename(&roots, "other", "/data/new/place", true).expect("it is replaced");
    assert_eq!(read(&roots, "/data/new/place", 10).expect("it is read"), b"two");

    assert!(matches!(rename(&roots, "none", "made/x", true), Err(Error::NotFound { path }) if path == "none"));
    assert_eq!(names(&roots, ""), ["a"], "a source that is not there makes no directories");
    assert!(matches!(rename(&roots, "a", "a/b/c", true), Err(Error::InvalidInput { parameter: "target", .. })));
    assert!(matches!(rename(&roots, "/workspace", "x", true), Err(Error::InvalidInput { parameter: "source", .. })));
    assert!(matches!(rename(&roots, "a", "/data", true), Err(Error::Exists { .. })));
    assert!(matches!(rename(&roots, "a", "../../x", true), Err(Error::OutsideSandbox { .. })));
}

#[test]
fn a_directory_is_made_with_those_above_it_and_removed_only_when_empty_unless_all_of_it_is_to_go() {
    let (_directory, roots) = roots();

    let made = make_directory(&roots, "a/b/c").expect("it is made");
    assert_eq!((made.name.as_str(), made.directory), ("c", true));
    make_directory(&roots, "a/b/c/").expect("it stays as it is");
    assert_eq!(make_directory(&roots, "/data").expect("it is there").name, "data");
    write(&roots, "a/file", b"", DEFAULT_LIMIT).expect("it is written");
    assert!(matches!(make_directory(&roots, "a/file/x"), Err(Error::NotADirectory { .. })));
    assert!(matches!(make_directory(&roots, "a/file"), Err(Error::NotADirectory { .. })));

    assert!(matches!(remove(&roots, "a", false), Err(Error::NotEmpty { path }) if path == "a"));
    remove(&roots, "a/b/c", false).expect("it is empty");
    remove(&roots, "a/file", false).expect("it is a file");
    remove(&roots, "a", true).expect("it is removed with all in it");
    assert_eq!(names(&roots, ""), Vec::<String>::new());
    assert!(matches!(remove(&roots, "a", true), Err(Error::NotFound { .. })));
}

#[test]
fn a_directory_with_more_names_than_a_hundred_thousand_is_listed_whole() {
    // In memory, where making so many takes no time.
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory can be made");
    let roots = Roots { workspace: directory.path().into(), data: directory.path().into() };
    make_directory(&roots, "many").expect("it is made");
    for number in 0..100_001 {
        std::os::unix::fs::symlink("x", roots.workspace.join(format!("many/{number}"))).expect("it is made");
    }

    assert_eq!(list(&roots, "many").expect("it is listed").len(), 100_001);
}

#[test]
fn holes_and_second_names_take_no_space() {
    let (_directory, roots) = roots();
    write(&roots, "file", &[1; 8192], DEFAULT_LIMIT).expect("it is written");
    std::fs::hard_link(roots.workspace.join("file"), roots.data.join("same")).expect("it is linked");
    let holes = std::fs::File::create(roots.data.join("holes")).expect("it is made");
    holes.set_len(1 << 30).expect("it grows");

    let used = usage(&roots);

    assert_eq!((used.size, used.entries), (8192 + (1 << 30), 2));
    assert!((8192..65536).contains(&used.stored), "{used:?}");
}
