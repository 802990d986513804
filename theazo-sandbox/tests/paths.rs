//! The second wall behind the mounts, where the kernel has Landlock: what comes into a sandbox past them opens nothing.
//! Where it has none, the same probes show that nothing more than the mounts is there, and that nothing more is claimed.
#![cfg(target_os = "linux")]

mod common;

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use common::{World, eventually, python, shell, text, world, world_without_root};
use landlock::{AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use rustix::fs::{Mode, OFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// Whether the kernel can do what is needed, asked of the kernel and not of the sandbox.
fn kernel_has_landlock() -> bool {
    let asked = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::Refer);
    asked.is_ok()
}

/// Whether sandboxes of this world say that they have the wall. Shown, so that nobody takes one kind of run for the other.
fn is_walled(world: &World) -> bool {
    let isolation = world.launcher.isolation();
    let walled = isolation.has("paths");
    let checked = if walled { "Landlock refuses" } else { "there is no Landlock, and the probes get through" };
    eprintln!("{}: {checked}", isolation.level);
    walled
}

fn send_descriptor(stream: &UnixStream, descriptor: BorrowedFd<'_>) {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    assert!(message.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(stream, &[IoSlice::new(b"x")], &mut message, SendFlags::empty()).expect("it is sent");
}

/// Takes a descriptor from whoever connects, and says what can be done with it.
const TAKES_A_DESCRIPTOR: &str = "
import os, socket, subprocess
door = socket.socket(socket.AF_UNIX)
door.bind('door'); door.listen()
open('ready', 'w').close()
peer, _ = door.accept()
_, [leaked], _, _ = socket.recv_fds(peer, 1, 1)
def attempt(name, what):
    try: what(); print(name, 'done')
    except PermissionError: print(name, 'denied')
attempt('list', lambda: os.open('.', os.O_RDONLY | os.O_DIRECTORY, dir_fd=leaked))
attempt('read', lambda: os.open('secret', os.O_RDONLY, dir_fd=leaked))
attempt('write', lambda: os.open('secret', os.O_WRONLY, dir_fd=leaked))
attempt('make', lambda: os.mkdir('new', dir_fd=leaked))
attempt('remove', lambda: os.unlink('other', dir_fd=leaked))
attempt('execute', lambda: subprocess.run([f'/proc/self/fd/{leaked}/program'], pass_fds=[leaked], check=True))";

#[tokio::test]
async fn row_31_a_descriptor_of_the_host_opens_nothing() {
    for world in [world().await, world_without_root().await] {
        let (sandbox, workspace) = (world.sandbox("walled").await, world.roots("walled").workspace);
        let host = world.directory.path().join("host");
        std::fs::create_dir(&host).expect("it is made");
        for (name, content, mode) in
            [("secret", "secret", 0o666), ("other", "", 0o666), ("program", "#!/bin/sh\n", 0o777), ("", "", 0o777)]
        {
            let path = host.join(name);
            if !name.is_empty() {
                std::fs::write(&path, content).expect("it is written");
            }
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("it is ours");
        }
        let leaked = rustix::fs::open(&host, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).expect("it opens");

        let lead_in = async {
            eventually("the program's start", || workspace.join("ready").exists()).await;
            let stream = UnixStream::connect(workspace.join("door")).expect("it listens");
            send_descriptor(&stream, leaked.as_fd());
            stream
        };
        let (outcome, _stream) = tokio::join!(python(&sandbox, TAKES_A_DESCRIPTOR), lead_in);

        let became = if is_walled(&world) { "denied" } else { "done" };
        let expected = ["list", "read", "write", "make", "remove", "execute"].map(|name| format!("{name} {became}"));
        assert_eq!(text(&outcome).lines().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn the_wall_is_claimed_where_the_kernel_has_it_and_nowhere_else() {
    for world in [world().await, world_without_root().await] {
        assert_eq!(is_walled(&world), kernel_has_landlock());
    }
}

#[tokio::test]
async fn programs_do_behind_the_wall_what_they_always_did() {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("usual").await;
        let code = "
import errno, fcntl, os, shutil, signal, socket, subprocess, tempfile, termios
for place in ('/workspace', '/data', '/tmp', '/dev/shm', '/run'):
    os.makedirs(f'{place}/a/b')
    with open(f'{place}/a/file', 'w') as file: file.write('one')
    os.rename(f'{place}/a/file', f'{place}/a/b/file')
    os.link(f'{place}/a/b/file', f'{place}/link')
    os.symlink('link', f'{place}/symbolic')
    os.truncate(f'{place}/symbolic', 1)
    os.mkfifo(f'{place}/pipe')
    socket.socket(socket.AF_UNIX).bind(f'{place}/socket')
    with open(f'{place}/program', 'w') as file: file.write('#!/bin/sh\\necho $0\\n')
    os.chmod(f'{place}/program', 0o755)
    assert subprocess.check_output([f'{place}/program'], text=True) == f'{place}/program\\n'
    with tempfile.TemporaryFile(dir=place) as file: file.write(b'x')
    assert os.listdir(f'{place}/a') == ['b'], place
    shutil.rmtree(f'{place}/a')
with open('/proc/self/comm', 'w') as file: file.write('renamed')
with open('/dev/stdout', 'w') as file: file.write(f'{open(\"/proc/self/comm\").read()}')
with open('/dev/null', 'w') as null:
    try: termios.tcgetattr(null)
    except termios.error as error: assert error.args[0] == errno.ENOTTY, error
abstract = socket.socket(socket.AF_UNIX); abstract.bind('\\0usual'); abstract.listen()
socket.socket(socket.AF_UNIX).connect('\\0usual')
bound = socket.socket(); bound.bind(('127.0.0.1', 4321)); bound.listen()
socket.create_connection(('127.0.0.1', 4321)).close()
print(sorted(set(os.listdir('/')) & {'data', 'tmp', 'usr', 'workspace'}), open('/etc/hostname').read().strip())";

        assert_eq!(text(&python(&sandbox, code).await), "renamed\n['data', 'tmp', 'usr', 'workspace'] sandbox");
        // What one program left running, another may end.
        text(&shell(&sandbox, "sleep 600 & echo $! > /tmp/left").await);
        assert_eq!(text(&shell(&sandbox, "kill $(cat /tmp/left) && echo ended").await), "ended");
    }
}
