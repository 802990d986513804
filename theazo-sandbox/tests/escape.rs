//! Row 31 of the catalogue: ways out of a sandbox, tried from the inside at both levels of isolation. Each is denied.
#![cfg(target_os = "linux")]

mod common;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use common::{World, eventually, python, text, world, world_without_root};
use theazo_sandbox::Sandbox;
use theazo_sandbox::files::{DEFAULT_LIMIT, list, read, write};

/// Runs one probe at every level that this machine has.
async fn everywhere(probe: impl AsyncFn(&World, &Sandbox)) {
    for world in [world().await, world_without_root().await] {
        let sandbox = world.sandbox("probe").await;
        probe(&world, &sandbox).await;
    }
}

/// What every Python probe begins with: `denied` says `True` for what the kernel refused, and otherwise what became of it.
const PROBE: &str = "
import ctypes, errno, os, socket, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
DENIED = ('EPERM', 'EACCES', 'ENOENT', 'EROFS', 'ENOSYS', 'ENODEV', 'ENXIO', 'EXDEV', 'ECONNREFUSED')
def denied(attempt):
    try:
        result = attempt()
    except OSError as error:
        name = errno.errorcode.get(error.errno, str(error))
        return name in DENIED or name
    return f'done: {result}'
def call(name, *arguments):
    ctypes.set_errno(0)
    function = getattr(libc, name) if isinstance(name, str) else lambda *rest: libc.syscall(ctypes.c_long(name), *rest)
    if function(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
    return name
def report(**attempts):
    for name, attempt in attempts.items():
        print(name, denied(attempt))
";

async fn probe(sandbox: &Sandbox, code: &str) -> Vec<String> {
    text(&python(sandbox, &format!("{PROBE}{code}")).await).lines().map(str::to_owned).collect()
}

/// Checks that each named attempt was denied.
fn all_denied(report: &[String], names: &[&str]) {
    let expected: Vec<String> = names.iter().map(|name| format!("{name} True")).collect();
    assert_eq!(report, expected);
}

#[tokio::test]
async fn row_31_the_host_s_interfaces_are_not_there() {
    everywhere(async |_, sandbox| {
        let code = "
report(
    docker=lambda: os.stat('/var/run/docker.sock'), docker_run=lambda: os.stat('/run/docker.sock'),
    containerd=lambda: os.stat('/run/containerd'), dbus=lambda: os.stat('/run/dbus'), sys=lambda: os.listdir('/sys'),
    core_pattern=lambda: open('/proc/sys/kernel/core_pattern', 'w'),
    modprobe=lambda: open('/proc/sys/kernel/modprobe', 'w'),
    release_agent=lambda: open('/sys/fs/cgroup/release_agent', 'w'),
    binfmt=lambda: open('/proc/sys/fs/binfmt_misc/register', 'w'),
    sysrq=lambda: open('/proc/sysrq-trigger', 'w'),
    oom_of_init=lambda: open('/proc/1/oom_score_adj', 'w'))";

        let names = [
            "docker",
            "docker_run",
            "containerd",
            "dbus",
            "sys",
            "core_pattern",
            "modprobe",
            "release_agent",
            "binfmt",
            "sysrq",
            "oom_of_init",
        ];
        all_denied(&probe(sandbox, code).await, &names);
    })
    .await;
}

#[tokio::test]
async fn row_31_mounts_namespaces_and_roots_cannot_be_changed() {
    everywhere(async |_, sandbox| {
        let code = "
report(
    mount=lambda: call('mount', b'none', b'/tmp', b'tmpfs', 0, None),
    remount=lambda: call('mount', None, b'/usr', None, 32 | 4096, None),
    mount_cgroup=lambda: call('mount', b'none', b'/tmp', b'cgroup', 0, b'memory'),
    mount_proc=lambda: call('mount', b'none', b'/tmp', b'proc', 0, None),
    umount=lambda: call('umount2', b'/proc/sys', 2), chroot=lambda: os.chroot('/tmp'),
    new_user=lambda: call('unshare', 0x10000000), new_mounts=lambda: call('unshare', 0x00020000),
    new_network=lambda: call('unshare', 0x40000000), enter=lambda: call('setns', 0, 0),
    pivot=lambda: call('pivot_root', b'/tmp', b'/tmp') if hasattr(libc, 'pivot_root') else call('umount', b'/'))";

        let names = [
            "mount",
            "remount",
            "mount_cgroup",
            "mount_proc",
            "umount",
            "chroot",
            "new_user",
            "new_mounts",
            "new_network",
            "enter",
            "pivot",
        ];
        all_denied(&probe(sandbox, code).await, &names);
    })
    .await;
}

#[tokio::test]
async fn row_31_the_kernel_s_deep_calls_are_refused() {
    everywhere(async |_, sandbox| {
        // By their numbers on x86-64; elsewhere the same filter is compiled from the names.
        if !cfg!(target_arch = "x86_64") {
            return;
        }
        let code = "
numbers = dict(ptrace=101, init_module=175, delete_module=176, kexec_load=246, add_key=248, request_key=249, keyctl=250,
    migrate_pages=256, perf_event_open=298, open_by_handle_at=304, process_vm_readv=310, process_vm_writev=311,
    finit_module=313, kexec_file_load=320, bpf=321, userfaultfd=323, io_uring_setup=425, open_tree=428, fsopen=430,
    pidfd_getfd=438, mount_setattr=442, iopl=172, ioperm=173, modify_ldt=154, syslog=103, acct=163, reboot=169,
    swapon=167, settimeofday=164, sethostname=170, personality=135)
report(**{name: (lambda number=number: call(number, 0, 0, 0, 0, 0)) for name, number in numbers.items()})
report(clone_user=lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0), clone3=lambda: call(435, 0, 0), x32=lambda: call(0x40000000 | 39))";

        let report = probe(sandbox, code).await;

        assert_eq!(report.len(), 34);
        let open: Vec<&String> = report.iter().filter(|line| !line.ends_with(" True")).collect();
        assert_eq!(open, Vec::<&String>::new());
    })
    .await;
}

#[tokio::test]
async fn row_31_devices_and_raw_sockets_cannot_be_had() {
    everywhere(async |_, sandbox| {
        let code = "
def make(major, minor):
    os.mknod('/workspace/device', stat.S_IFCHR | 0o600, os.makedev(major, minor))
    return open('/workspace/device', 'rb').read(1)
report(
    mem=lambda: open('/dev/mem', 'rb'), kmsg=lambda: open('/dev/kmsg', 'rb'), kvm=lambda: open('/dev/kvm', 'rb'),
    kcore=lambda: open('/proc/kcore', 'rb').read(1) or os.stat('/none'), fuse=lambda: open('/dev/fuse', 'rb'),
    tun=lambda: open('/dev/net/tun', 'rb'), disk=lambda: open('/dev/vda', 'rb'), made_mem=lambda: make(1, 1),
    raw=lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1), packet=lambda: socket.socket(17, 3),
    netlink=lambda: socket.socket(16, 3, 12), vsock=lambda: socket.socket(40, 1), alg=lambda: socket.socket(38, 5))";

        let names = [
            "mem", "kmsg", "kvm", "kcore", "fuse", "tun", "disk", "made_mem", "raw", "packet", "netlink", "vsock",
            "alg",
        ];
        all_denied(&probe(sandbox, code).await, &names);
    })
    .await;
}

#[tokio::test]
async fn row_31_other_processes_are_out_of_reach() {
    everywhere(async |_, sandbox| {
        let host = std::process::id();
        let code = format!(
            "
report(
    root=lambda: os.readlink('/proc/1/root'), cwd=lambda: os.listdir('/proc/1/cwd'), fd=lambda: os.listdir('/proc/1/fd'),
    memory=lambda: open('/proc/1/mem', 'rb'), environment=lambda: open('/proc/1/environ', 'rb').read(),
    attach=lambda: call('ptrace', 16, 1, 0, 0), attach_host=lambda: call('ptrace', 16, {host}, 0, 0))
before = set(os.listdir('/proc'))
try: os.kill({host}, 0); print('host seen' if '{host}' not in before else 'own')
except OSError: print('unseen')"
        );

        let report = probe(sandbox, &code).await;

        all_denied(&report[..7], &["root", "cwd", "fd", "memory", "environment", "attach", "attach_host"]);
        assert!(report[7] == "unseen" || report[7] == "own", "{}", report[7]);
    })
    .await;
}

#[tokio::test]
async fn row_31_nothing_raises_rights() {
    everywhere(async |_, sandbox| {
        let code = "
import glob, subprocess
raisers = [path for path in glob.glob('/usr/bin/*') + glob.glob('/usr/sbin/*') if os.stat(path).st_mode & 0o6000]
print('some' if raisers else 'none')
mounts = [line.split() for line in open('/proc/self/mountinfo')]
# What is hidden is covered by the null device, which is a device.
print([mount[4] for mount in mounts if 'nosuid' not in mount[5].split(',') and mount[4] != '/'])
print([mount[4] for mount in mounts if 'nodev' not in mount[5].split(',') and not mount[4].startswith('/dev/') and mount[3] != '/null' and mount[4] != '/'])
code = 'import os; print(os.getuid(), os.geteuid())'
print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip())
def become(change):
    # Where users are mapped, root is no user at all, which is another error.
    try: return change(0)
    except OSError: raise PermissionError(errno.EPERM, 'refused')
report(setuid=lambda: become(os.setuid), setgid=lambda: become(os.setgid), groups=lambda: os.setgroups([0]),
    capability=lambda: libc.capset(ctypes.byref(ctypes.create_string_buffer(b'\\x22\\x05\\x08\\x20' + bytes(4))),
        ctypes.byref(ctypes.create_string_buffer(b'\\xff' * 24))) == 0 or os.stat('/none'),
    mark=lambda: os.chmod('/workspace', 0o4777))";

        let report = probe(sandbox, code).await;

        assert_eq!(report[1..4], ["[]", "[]", "65534 65534"]);
        all_denied(&report[4..], &["setuid", "setgid", "groups", "capability", "mark"]);
    })
    .await;
}

#[tokio::test]
async fn row_31_no_descriptor_or_variable_of_the_host_comes_along() {
    // As a library would that knows nothing of ours: open across an exec, and a folder of the host.
    let leaked = std::fs::File::open("/").expect("it can be opened");
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("it can be marked");
    everywhere(async |_, sandbox| {
        let code = "
for number in sorted(os.listdir('/proc/self/fd'), key=int):
    try: print(number, os.readlink(f'/proc/self/fd/{number}').split(':')[0])
    except FileNotFoundError: pass
print([name for name in os.environ if name.startswith(('CARGO', 'RUST', 'THEAZO'))], 'HOME' in os.environ)
print(sum(b'CARGO' in open(f'/proc/{pid}/environ', 'rb').read() for pid in (os.getpid(),)))";

        let report = probe(sandbox, code).await;

        assert_eq!(report, ["0 /dev/null", "1 pipe", "2 pipe", "[] True", "0"]);
    })
    .await;
    drop(leaked);
}

#[tokio::test]
async fn row_31_sockets_of_the_host_without_a_file_are_not_reached() {
    let name = format!("theazo-probe-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("it is a name");
    let _listener = UnixListener::bind_addr(&address).expect("it is free");
    everywhere(async |_, sandbox| {
        let code = format!("report(abstract=lambda: socket.socket(socket.AF_UNIX).connect('\\0{name}'))");

        all_denied(&probe(sandbox, &code).await, &["abstract"]);
    })
    .await;
}

#[tokio::test]
async fn row_31_hard_links_and_moves_do_not_bring_files_of_the_host_in() {
    everywhere(async |_, sandbox| {
        let code = "
report(
    link=lambda: os.link('/usr/bin/env', '/workspace/env'), link_passwd=lambda: os.link('/etc/passwd', '/workspace/p'),
    link_process=lambda: os.link('/proc/self/exe', '/workspace/exe'), move=lambda: os.rename('/usr/bin/env', '/workspace/e'),
    out=lambda: open('/workspace/../../../../etc/shadow'))";

        all_denied(&probe(sandbox, code).await, &["link", "link_passwd", "link_process", "move", "out"]);
    })
    .await;
}

/// The program swaps a folder with a link to the host for as long as the host uses it. Whoever checks a path first and opens it
/// then falls for this.
#[tokio::test]
async fn row_31_a_folder_that_is_swapped_for_a_link_while_it_is_used_leads_nowhere() {
    let world = world().await;
    let (sandbox, roots) = (world.sandbox("swap").await, world.roots("swap"));
    let outside = world.directory.path().join("outside");
    std::fs::create_dir(&outside).expect("a folder can be made");
    std::fs::write(outside.join("file"), "secret").expect("it is written");
    let code = format!(
        "
import ctypes, os
os.makedirs('folder'); open('folder/file', 'w').write('own')
os.symlink({outside:?}, 'link')
libc = ctypes.CDLL(None)
open('ready', 'w').close()
while not os.path.exists('stop'):
    # Exchanges the two, so that there always is a folder.
    if libc.renameat2(-100, b'folder', -100, b'link', 2): raise OSError('not exchanged')"
    );

    let using = async {
        eventually("the start of the program", || read(&roots, "ready", 1).is_ok()).await;
        let mut seen = 0;
        for _ in 0..3000 {
            if let Ok(content) = read(&roots, "folder/file", DEFAULT_LIMIT) {
                assert_ne!(content, b"secret");
                seen += 1;
            }
            let _ = write(&roots, "folder/file", b"own", DEFAULT_LIMIT);
            let _ = list(&roots, "folder").map(|entries| assert!(entries.len() <= 2, "{entries:?}"));
            tokio::task::yield_now().await;
        }
        write(&roots, "stop", b"", 1).expect("it is written");
        seen
    };
    let (outcome, seen) = tokio::join!(python(&sandbox, &code), using);

    assert!(outcome.exit_code == 0 && seen > 0, "the two met: {outcome:?}, {seen}");
    assert_eq!(std::fs::read_to_string(outside.join("file")).expect("it is there"), "secret");
    assert_eq!(std::fs::read_dir(&outside).expect("it is there").count(), 1);
}
