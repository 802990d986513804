//! The system calls that no program in a sandbox may make, although it has no rights with which most of them would work:
//! they are where kernels have had holes. Refused calls fail with "operation not permitted".

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

/// System calls refused whatever their arguments.
const REFUSED: &[i64] = &[
    // File systems and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_unshare,
    libc::SYS_setns,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_personality,
    // Clocks, names and memory placement of the machine.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
];

/// System calls refused that only some architectures have.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// System calls that take a file's mode, and as which argument.
const MODES: &[(i64, u8)] = &[
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (libc::SYS_fchmodat2, 2),
    (libc::SYS_openat, 3),
    (libc::SYS_mknodat, 2),
];

/// The same, on only some architectures.
#[cfg(target_arch = "x86_64")]
const MODES_HERE: &[(i64, u8)] =
    &[(libc::SYS_chmod, 1), (libc::SYS_open, 2), (libc::SYS_creat, 1), (libc::SYS_mknod, 1)];
#[cfg(not(target_arch = "x86_64"))]
const MODES_HERE: &[(i64, u8)] = &[];

/// Chooses which signal tells of input.
const F_SETSIG: i64 = 10;

/// Every flag of `clone` that makes a namespace.
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// The filters, compiled once by the helper.
pub struct Filters(Vec<BpfProgram>);

impl Filters {
    /// Compiles the filters for this machine. Where sandboxes are paused by signals, programs get no signal that ends a pause.
    pub fn compile(paused_by_signals: bool) -> io::Result<Self> {
        let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
            REFUSED.iter().chain(REFUSED_HERE).map(|number| (*number, Vec::new())).collect();
        let argument = |index, comparison, value: i64| {
            SeccompCondition::new(index, Length::Dword, comparison, value as u64).map_err(io::Error::other)
        };
        let rule = |conditions| SeccompRule::new(conditions).map_err(io::Error::other);
        let mut clones = Vec::new();
        for flag in (0..32).map(|bit| 1i64 << bit).filter(|flag| i64::from(NAMESPACES) & flag != 0) {
            clones.push(rule(vec![argument(0, Compare::MaskedEq(flag as u64), flag)?])?);
        }
        refused.insert(libc::SYS_clone, clones);
        let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].map(i64::from);
        let unknown =
            families.map(|family| argument(0, Compare::Ne, family)).into_iter().collect::<io::Result<Vec<_>>>()?;
        // Routing messages tell a program its own interfaces; the other netlink protocols reach deep into the kernel.
        let netlink = vec![
            argument(0, Compare::Eq, libc::AF_NETLINK.into())?,
            argument(2, Compare::Ne, libc::NETLINK_ROUTE.into())?,
        ];
        let raw = vec![
            argument(1, Compare::MaskedEq(0xf), libc::SOCK_RAW.into())?,
            argument(0, Compare::Ne, libc::AF_NETLINK.into())?,
        ];
        refused.insert(libc::SYS_socket, vec![rule(unknown)?, rule(netlink)?, rule(raw)?]);
        // Putting input into a terminal that someone else reads.
        refused.insert(libc::SYS_ioctl, vec![rule(vec![argument(1, Compare::Eq, libc::TIOCSTI as i64)?])?]);
        if paused_by_signals {
            // While all processes are stopped, only timers and descriptors could still send the signal that continues them.
            refused.insert(libc::SYS_timer_create, Vec::new());
            let chosen = rule(vec![argument(1, Compare::Eq, F_SETSIG)?])?;
            refused.insert(libc::SYS_fcntl, vec![chosen]);
        }
        // A file in the workspace is the host's file too, and there a set-user-id bit would count.
        for (number, index) in MODES.iter().chain(MODES_HERE) {
            let bits = [libc::S_ISUID, libc::S_ISGID].map(i64::from);
            let rules = bits.map(|bit| rule(vec![argument(*index, Compare::MaskedEq(bit as u64), bit)?]));
            refused.insert(*number, rules.into_iter().collect::<io::Result<_>>()?);
        }
        // The arguments of these are in memory that a filter cannot read. Libraries fall back to older calls when they are missing.
        let missing = BTreeMap::from([libc::SYS_clone3, libc::SYS_openat2].map(|number| (number, Vec::new())));
        Ok(Self(vec![other_numbering(), compile(refused, libc::EPERM)?, compile(missing, libc::ENOSYS)?]))
    }

    /// Applies the filters to this process and all that it will start, for good.
    pub fn apply(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|program| seccompiler::apply_filter(program).map_err(io::Error::other))
    }
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> io::Result<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno as u32), architecture)
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)
}

/// Refuses the second numbering of system calls that x86-64 kernels may have (x32), which the other filters do not know.
fn other_numbering() -> BpfProgram {
    let step = |code: u32, jump_if_true, value| sock_filter { code: code as u16, jt: jump_if_true, jf: 0, k: value };
    vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 1, 0x4000_0000),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
    ]
}
