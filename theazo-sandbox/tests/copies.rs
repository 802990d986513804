//! Copies of what a sandbox wrote: the same in every respect that a program can see, and nothing else.
#![cfg(target_os = "linux")]

mod common;

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{python, shell, text, world, world_without_root};
use theazo_sandbox::Error;
use theazo_sandbox::files::{copy_tree, put_in_place, remove_tree};

#[tokio::test]
async fn a_copy_has_the_modes_links_times_and_holes_of_the_original() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("original").await;
        let script = "mkdir -p a/b && printf one > a/file && chmod 750 a/file && ln a/file a/b/same && ln -s ../file a/b/link\n\
                      ln -s /etc/passwd outside && mkfifo pipe && printf closed > closed && chmod 0 closed\n\
                      mkdir sealed && printf in > sealed/in && chmod 0 sealed && touch -d '2001-02-03 04:05:06 UTC' a/file\n\
                      truncate -s 100M holes && printf x | dd of=holes bs=1 seek=50M conv=notrunc 2>&1 && echo done";
        assert!(text(&shell(&sandbox, script).await).ends_with("done"));
        sandbox.destroy().await.expect("it ends");

        let copy = world.directory.path().join("copy");
        let bytes = copy_tree(&world.roots("original").workspace, &copy, 1 << 20).expect("it is copied");

        let of = |path: &str| std::fs::symlink_metadata(copy.join(path)).expect("it is there");
        let original =
            |path: &str| std::fs::symlink_metadata(world.roots("original").workspace.join(path)).expect("it is there");
        assert_eq!(std::fs::read(copy.join("a/file")).expect("it is read"), b"one");
        assert_eq!((of("a/file").permissions().mode() & 0o7777, of("a/file").mtime()), (0o750, 981_173_106));
        assert_eq!((of("a/b/same").ino(), of("a/file").nlink()), (of("a/file").ino(), 2));
        assert_eq!(std::fs::read_link(copy.join("a/b/link")).expect("it is a link"), Path::new("../file"));
        assert_eq!(std::fs::read_link(copy.join("outside")).expect("it is a link"), Path::new("/etc/passwd"));
        assert!(of("pipe").file_type().is_fifo());
        for path in ["closed", "sealed"] {
            assert_eq!((of(path).mode() & 0o7777, original(path).mode() & 0o7777), (0, 0), "{path}");
        }
        assert_eq!((of("holes").len(), of("holes").blocks() < 100), (100 << 20, true));
        assert_eq!((of("a").uid(), of("outside").uid()), (original("a").uid(), original("outside").uid()));
        // Three files of a few bytes, and one block of the file system in the middle of the holes.
        assert!((10..=64 << 10).contains(&bytes), "{bytes}");
    }
}

#[test]
fn a_copy_follows_no_link_out_of_what_it_copies() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let secret = directory.path().join("secret");
    std::fs::create_dir_all(&secret).expect("it is made");
    std::fs::write(secret.join("key"), "canary").expect("it is written");
    let original = directory.path().join("original");
    std::fs::create_dir(&original).expect("it is made");
    symlink(&secret, original.join("folder")).expect("it is linked");
    symlink(&original, directory.path().join("root")).expect("it is linked");

    copy_tree(&original, &directory.path().join("copy"), 1 << 20).expect("it is copied");

    let copied = std::fs::symlink_metadata(directory.path().join("copy/folder")).expect("it is there");
    assert!(copied.file_type().is_symlink());
    assert!(copy_tree(&directory.path().join("root"), &directory.path().join("other"), 1 << 20).is_err());
}

#[test]
fn a_copy_that_would_be_too_large_is_refused() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let original = directory.path().join("original");
    std::fs::create_dir(&original).expect("it is made");
    std::fs::write(original.join("one"), [7; 6000]).expect("it is written");
    std::fs::write(original.join("other"), [7; 6000]).expect("it is written");

    let refused = copy_tree(&original, &directory.path().join("copy"), 11_999).expect_err("it is too large");
    assert!(matches!(&refused, Error::CannotCopy { reason } if reason == "has more than 11999 bytes of data"));
    assert_eq!(copy_tree(&original, &directory.path().join("exact"), 12_000).expect("it fits"), 12_000);
}

/// Makes folders far deeper than any path says, each with a closed one and a file beside the next; the file is one with many
/// names, and the deepest of them is marked. Says what it sees on the way down if there is something already.
const DEEP: &str = "
import os
name, depth = 'n' * 200, 300
def go(step):
    os.chdir('/workspace')
    for number in range(depth): step(number)
def make(number):
    os.mkdir(name); os.mkdir('closed'); open('closed/in', 'w').write(str(number)); os.chmod('closed', 0)
    if number: os.link('../file', 'file')
    else: open('file', 'w').write('many names')
    os.utime('file', (1, 981173106)); os.chmod(name, 0o710); os.chdir(name)
def look(number):
    global seen
    os.chmod('closed', 0o700)
    assert open('closed/in').read() == str(number)
    seen |= {(os.stat('file').st_ino, os.stat('file').st_nlink, os.stat('file').st_mtime)}
    assert os.stat(name).st_mode & 0o7777 == 0o710
    os.chdir(name)
seen = set()
if os.path.exists(name):
    go(look)
    [(_, names, time)] = seen
    print(names, time, open('deepest').read())
else:
    go(make)
    open('deepest', 'w').write('here')
    print('made')";

#[tokio::test]
async fn a_copy_is_as_deep_as_the_original_however_deep_that_is() {
    for world in [world().await, world_without_root().await] {
        let original = world.sandbox("original").await;
        assert_eq!(text(&python(&original, DEEP).await), "made");
        original.destroy().await.expect("it ends");
        let (from, to) = (world.roots("original").workspace, world.roots("copy").workspace);
        std::fs::create_dir(world.directory.path().join("copy")).expect("it is made");

        copy_tree(&from, &to, 1 << 20).expect("it is copied");

        let of_names = |path: &Path| std::fs::read_dir(path.parent().expect("it has one")).expect("it is read").count();
        assert_eq!(of_names(&to), 1, "nothing is left beside it");
        for id in ["original", "copy"] {
            let sandbox = world.sandbox(id).await;
            assert_eq!(text(&python(&sandbox, DEEP).await), "300 981173106.0 here", "{id}");
        }
        for path in [from, to] {
            remove_tree(&path).expect("it is removed");
        }
    }
}

#[tokio::test]
async fn a_tree_that_cannot_be_copied_has_its_own_modes_again() {
    let world = world_without_root().await;
    let sandbox = world.sandbox("original").await;
    let script = "mkdir -p a/b && head -c 9000 /dev/zero > a/b/file && chmod 0 a/b && chmod 0 a && echo made";
    assert_eq!(text(&shell(&sandbox, script).await), "made");

    let copied = copy_tree(&world.roots("original").workspace, &world.directory.path().join("copy"), 8999);

    assert!(matches!(copied, Err(Error::CannotCopy { .. })), "{copied:?}");
    assert_eq!(text(&shell(&sandbox, "stat -c %a a; chmod 700 a; stat -c %a a/b").await), "0\n0");
}

#[test]
fn a_directory_is_put_in_the_place_of_another_or_of_none() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let [new, present] = ["new", "present"].map(|name| directory.path().join(name));
    for (path, content) in [(&new, "new"), (&present, "old")] {
        std::fs::create_dir(path).expect("it is made");
        std::fs::write(path.join("file"), content).expect("it is written");
    }

    put_in_place(&new, &present).expect("they change places");
    let read = |path: &Path| std::fs::read_to_string(path.join("file")).expect("it is read");
    assert_eq!((read(&present), read(&new)), ("new".to_owned(), "old".to_owned()));

    std::fs::remove_dir_all(&present).expect("it is removed");
    put_in_place(&new, &present).expect("it takes the place");
    assert_eq!((read(&present), new.exists()), ("old".to_owned(), false));
}
