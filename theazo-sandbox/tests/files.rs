//! The host's way to a sandbox's files, whatever the sandbox put there.
#![cfg(target_os = "linux")]

mod common;

use common::{python, shell, text, world, world_without_root};
use theazo_sandbox::Error;
use theazo_sandbox::files::{DEFAULT_LIMIT, Roots, list, read, remove, remove_tree, size, write};

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
        let errors = [read(&roots, path, 1).err(), write(&roots, path, b"", 1).err(), remove(&roots, path).err()];
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
    for path in ["x".repeat(256), "x/".repeat(3000)] {
        let errors = [read(&roots, &path, 1).err(), write(&roots, &path, b"", 1).err(), list(&roots, &path).err()];
        for error in errors {
            assert!(matches!(&error, Some(Error::InvalidInput { parameter: "path", .. })), "{error:?}");
        }
    }
    assert!(matches!(remove(&roots, "/data/"), Err(Error::InvalidInput { parameter: "path", .. })));
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
    remove(&roots, "directory").expect("the link itself is removed");

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

    remove(&roots, "own").expect("it is removed with all in it");
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
        remove(&roots, "short").expect("it is removed");
        remove(&roots, "closed").expect("it is removed");
        sandbox.destroy().await.expect("it is destroyed");
        remove_tree(&roots.workspace).expect("it is removed");
        assert!(!roots.workspace.exists());
        assert_eq!(remove_tree(&roots.workspace).expect_err("it is gone").kind(), std::io::ErrorKind::NotFound);
    }
}
