//! Copies of what a sandbox wrote: the same in every respect that a program can see, and nothing else.
#![cfg(target_os = "linux")]

mod common;

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::{shell, text, world, world_without_root};
use theazo_sandbox::Error;
use theazo_sandbox::files::{copy_tree, put_in_place};

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
fn a_copy_that_would_be_too_large_or_too_deep_is_refused() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let original = directory.path().join("original");
    std::fs::create_dir(&original).expect("it is made");
    std::fs::write(original.join("one"), [7; 6000]).expect("it is written");
    std::fs::write(original.join("other"), [7; 6000]).expect("it is written");

    let refused = copy_tree(&original, &directory.path().join("copy"), 11_999).expect_err("it is too large");
    assert!(matches!(&refused, Error::CannotCopy { reason } if reason == "has more than 11999 bytes of data"));
    assert_eq!(copy_tree(&original, &directory.path().join("exact"), 12_000).expect("it fits"), 12_000);

    let mut deepest =
        rustix::fs::open(&original, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("it opens");
    for _ in 0..100 {
        let name = "x".repeat(100);
        rustix::fs::mkdirat(&deepest, &name, rustix::fs::Mode::RWXU).expect("it is made");
        deepest =
            rustix::fs::openat(&deepest, &name, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("it opens");
    }
    let refused = copy_tree(&original, &directory.path().join("deep"), 1 << 20).expect_err("it is too deep");
    assert!(matches!(&refused, Error::CannotCopy { reason } if reason == "has folders deeper than a path can say"));
    theazo_sandbox::files::remove_tree(&original).expect("it is removed");
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
