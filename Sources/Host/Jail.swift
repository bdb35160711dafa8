internal import CHost
internal import Synchronization

/// The filter of system calls (seccomp(2)) under which this process runs guests. A guest that has taken over a thread can do little
/// with the calls that are left.
///
/// docs/security.md lists the calls that are left, with the reason for each. Any other call ends the process with exit status 77. A
/// line on standard error then names the call's number and the thread. A process cannot leave the jail.
public enum Jail {
    private static let isEntered = Atomic(false)

    /// What the process still has to do in its jail.
    public enum Purpose: Sendable {
        /// The process runs a machine that exists already.
        case run
        /// The process also adds functions to its machine. For that it may make memory files, but it opens no other file.
        case addsFunctions
        /// The process also makes machines. For that it may open files.
        case makesMachines
    }

    /// Puts all threads of the process, and all threads that they start later, into the jail. Before that, opens the files under
    /// /proc and /sys whose figures are read in the jail (`KernelFigures`).
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

    /// Forbids the calling thread the system calls that a vCPU's thread does not need. Does nothing if the process is not in its
    /// jail.
    public static func enterVCPU() throws(HostError) {
        guard isEntered.load(ordering: .acquiring) else { return }
        try check(chost_jail_vcpu(), "seccomp", "the jail of a vCPU")
    }
}
