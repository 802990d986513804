//! What a program in a sandbox must not be able to do, at both levels of isolation.
#![cfg(target_os = "linux")]

mod common;

use common::{World, python, shell, text, world, world_without_root};
use theazo_sandbox::{Launcher, LauncherConfig, Sandbox};

/// Runs one probe at every level that this machine has.
async fn everywhere(probe: impl AsyncFn(&World, &Sandbox)) {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("probe").await;
        probe(&world, &sandbox).await;
    }
}

#[tokio::test]
async fn the_level_is_reported_as_it_is() {
    let forced = world_without_root().await;
    assert_eq!(forced.launcher.isolation().level, "namespaces");

    let strongest = world().await;
    let root = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nUid:\t0\t"));
    if root {
        assert_eq!(strongest.launcher.isolation().level, "container");
    }
    assert!(strongest.launcher.isolation().enforced.ends_with(&["network", "syscalls", "time"]));
}

#[tokio::test]
async fn what_is_required_and_cannot_be_had_is_refused_rather_than_weakened() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("it is ours");
    let start = async |required: &[&str]| {
        let required = required.iter().map(ToString::to_string).collect();
        let config = LauncherConfig {
            force_user_namespaces: true,
            required,
            ..LauncherConfig::new(directory.path().join("state"))
        };
        Launcher::start(config).await.map(drop).map_err(|unavailable| unavailable.reason)
    };

    assert_eq!(start(&["namespaces", "network", "syscalls", "time"]).await, Ok(()));
    let reason = start(&["network", "container"]).await.expect_err("it is not one");
    assert!(
        reason.starts_with(
            "with user namespaces: `container` is required, and there is only `namespaces` with limits on "
        ),
        "{reason}"
    );
}

#[tokio::test]
async fn host_files_are_not_there() {
    everywhere(async |world, sandbox| {
        let canary = world.directory.path().join("canary");
        std::fs::write(&canary, "secret").expect("the file is written");
        let repository = env!("CARGO_MANIFEST_DIR");

        let code = format!(
            "import os\nprint([os.path.exists(path) for path in ['/etc/shadow', '/root', '/home', '/sys', {canary:?}, {repository:?}]])\nprint(sorted(os.listdir('/')))"
        );
        let outcome = text(&python(sandbox, &code).await);

        let (seen, root) = outcome.split_once('\n').expect("two lines");
        assert_eq!(seen, "[False, False, False, False, False, False]");
        for name in root.trim_matches(['[', ']']).split(", ") {
            let known = ["bin", "data", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "tmp", "usr", "var", "workspace"];
            assert!(known.contains(&name.trim_matches('\'')), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_system_cannot_be_written() {
    everywhere(async |_, sandbox| {
        let code = "
import errno
for path in ['/usr/x', '/bin/x', '/etc/passwd', '/x', '/dev/x', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/sys/kernel/hostname']:
    try:
        open(path, 'w')
        print(path, 'written')
    except OSError as error:
        print(errno.errorcode[error.errno] in ('EROFS', 'EACCES', 'EPERM', 'ENOENT'))";

        assert_eq!(text(&python(sandbox, code).await), ["True"; 8].join("\n"));
    })
    .await;
}

#[tokio::test]
async fn there_is_no_network_but_the_loopback() {
    everywhere(async |_, sandbox| {
        let code = "
import errno, socket
def attempt(address):
    try:
        socket.create_connection(address, 2)
        return 'connected'
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
print(attempt(('169.254.169.254', 80)), attempt(('1.1.1.1', 443)), attempt(('2606:4700::1111', 443)))
server = socket.create_server(('127.0.0.1', 0))
print(attempt(server.getsockname()), [name for _, name in socket.if_nameindex()])";

        assert_eq!(text(&python(sandbox, code).await), "ENETUNREACH ENETUNREACH ENETUNREACH\nconnected ['lo']");
    })
    .await;
}

#[tokio::test]
async fn a_port_of_the_host_is_not_reachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    everywhere(async |_, sandbox| {
        let code = format!("import socket\ns = socket.socket()\nprint(s.connect_ex(('127.0.0.1', {port})) == 111)");
        assert_eq!(text(&python(sandbox, &code).await), "True");
    })
    .await;
}

#[tokio::test]
async fn only_the_sandbox_s_own_processes_are_seen_and_its_init_is_closed() {
    everywhere(async |_, sandbox| {
        let code = "
import os
print(len([name for name in os.listdir('/proc') if name.isdigit()]))
for path in ['/proc/1/root', '/proc/1/environ', '/proc/1/fd', '/proc/1/exe', '/proc/1/mem', '/proc/1/maps']:
    try:
        os.listdir(path) if path.endswith('fd') else os.readlink(path) if path[8:] in ('root', 'exe') else open(path, 'rb').read(1)
        print(path, 'open')
    except PermissionError:
        print('closed')
os.kill(1, 9)
print(sorted(os.listdir('/proc/self/fd')))
print(os.getppid() > 1, os.uname().nodename, os.getuid() == 65534, os.getgid() == 65534)";

        let expected =
            format!("3\n{}\n['0', '1', '2', '3']\nTrue sandbox True True", ["closed"; 6].join("\n"));
        assert_eq!(text(&python(sandbox, code).await), expected);
    })
    .await;
}

#[tokio::test]
async fn there_are_no_rights_and_no_way_to_get_any() {
    everywhere(async |_, sandbox| {
        let status = text(&shell(sandbox, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").await);

        let none = "0000000000000000";
        assert_eq!(
            status,
            format!("CapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\nSeccomp:\t2")
        );
    })
    .await;
}

#[tokio::test]
async fn dangerous_system_calls_are_refused() {
    everywhere(async |_, sandbox| {
        let code = "
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, *arguments):
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    return result == -1 and errno.errorcode[ctypes.get_errno()]
def call(number, *arguments):
    return refused('syscall', number, *arguments)
print(refused('mount', b'none', b'/tmp', b'tmpfs', 0, None))
print(refused('umount2', b'/tmp', 2))
print(refused('unshare', 0x10000000), refused('unshare', 0x00020000))
print(refused('setns', 0, 0))
print(refused('ptrace', 16, 1, 0, 0))
if os.uname().machine == 'x86_64':
    for number in (155, 246, 175, 248, 250, 272, 298, 304, 308, 310, 311, 313, 321, 323, 425, 428, 429, 438, 442):
        print(call(number, 0, 0, 0, 0, 0))
    print(call(56, 0x10000000 | 17, 0, 0, 0, 0), call(435, 0, 0), call(0x40000000 | 39))
for family, kind in ((17, 3), (16, 3), (2, 3), (38, 5), (40, 1)):
    try:
        socket.socket(family, kind, 0 if family != 16 else 12)
        print('made')
    except OSError as error:
        print(errno.errorcode[error.errno])";

        let x86_64 = if cfg!(target_arch = "x86_64") {
            format!("{}EPERM ENOSYS ENOSYS\n", "EPERM\n".repeat(19))
        } else {
            String::new()
        };
        let expected = format!("EPERM\nEPERM\nEPERM EPERM\nEPERM\nEPERM\n{x86_64}{}", ["EPERM"; 5].join("\n"));
        assert_eq!(text(&python(sandbox, code).await), expected);
    })
    .await;
}

#[tokio::test]
async fn no_file_gets_a_set_user_id_bit() {
    everywhere(async |_, sandbox| {
        let outcome =
            shell(sandbox, "cp /bin/sh own; chmod u+s own; chmod g+s own; chmod 755 own; ls -l own | cut -c1-10").await;

        assert_eq!(text(&outcome), "-rwxr-xr-x");
        assert_eq!(String::from_utf8_lossy(&outcome.stderr).matches("Operation not permitted").count(), 2);
    })
    .await;
}

#[tokio::test]
async fn devices_are_only_the_harmless_ones() {
    everywhere(async |_, sandbox| {
        let list =
            text(&shell(sandbox, "ls /dev | tr '\\n' ' '; echo x > /dev/null; head -c 2 /dev/zero | wc -c").await);
        assert_eq!(list, "fd full null random shm stderr stdin stdout tty urandom zero 2");
    })
    .await;
}

#[tokio::test]
async fn sandboxes_do_not_see_each_other() {
    let world = world().await;
    let (one, other) = (world.sandbox("one").await, world.sandbox("other").await);

    shell(&one, "echo secret > /tmp/secret; echo secret > /workspace/secret; echo secret > /dev/shm/secret").await;

    let seen =
        shell(&other, "cat /tmp/secret /workspace/secret /dev/shm/secret /run/*/secret 2>/dev/null | wc -l").await;
    assert_eq!(text(&seen), "0");
}

#[tokio::test]
async fn no_mount_of_the_host_changes() {
    let before = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts can be read");
    let world = world().await;
    let sandbox = world.sandbox("mounts").await;
    python(&sandbox, "").await;

    let during = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts can be read");

    assert_eq!(before, during);
}

#[tokio::test]
async fn other_users_of_the_host_cannot_read_a_sandbox_s_files() {
    use std::os::unix::fs::PermissionsExt;

    everywhere(async |world, _| {
        let roots = world.roots("probe");
        for root in [&roots.workspace, &roots.data] {
            let mode = std::fs::metadata(root).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
    })
    .await;
}
