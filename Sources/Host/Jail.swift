internal import CHost
internal import Synchronization

/// Takes system calls away from this process, so that a guest that has taken over a thread can do little with it (seccomp(2)).
///
/// docs/security.md has the calls that are left, with the reason for each. Any other call ends the process with a status of its own, and
/// with its number and the thread's name on standard error. There is no way out of the jail.
public enum Jail {
    private static let isEntered = Atomic(false)

    /// What a process still does in its jail.
    public enum Purpose: Sendable {
        /// It runs a machine that is made.
        case run
        /// It adds functions to its machine as well. That takes memory files, and no file is opened any more.
        case addsFunctions
        /// It makes machines, which takes files to be opened.
        case makesMachines
    }

    /// Puts all threads into the jail, and those that they start later. Opens the kernel's figures that are read there.
    public static func enter(for purpose: Purpose) throws(HostError) {
        #if !SANITIZER
            KernelFigures.keepOpen(ofHost: purpose == .addsFunctions)
            let table =
                switch purpose {
                case .run: CHOST_JAIL_RUN
                case .addsFunctions: CHOST_JAIL_ADDING
                case .makesMachines: CHOST_JAIL_MAKING
                }
            try check(chost_jail_process(table), "seccomp", "the jail of the process")
            isEntered.store(true, ordering: .releasing)
        #endif
    }

    /// Takes from the calling thread what a vCPU's thread does not need, if the process is in its jail.
    public static func enterVCPU() throws(HostError) {
        guard isEntered.load(ordering: .acquiring) else { return }
        try check(chost_jail_vcpu(), "seccomp", "the jail of a vCPU")
    }
}
