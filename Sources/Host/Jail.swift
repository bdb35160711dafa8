internal import CHost
internal import Synchronization

/// Takes system calls away from this process, so that a guest that has taken over a thread can do little with it (seccomp(2)).
///
/// docs/security.md has the calls that are left, with the reason for each. Any other call ends the process with a status of its own, and
/// with its number and the thread's name on standard error. There is no way out of the jail.
public enum Jail {
    private static let isEntered = Atomic(false)

    /// Puts all threads into the jail, and those that they start later.
    ///
    /// - Parameter makesMachines: Whether machines are still made, which takes files to be opened. Otherwise no file is opened any more.
    ///   The kernel's figures about the process are opened here.
    public static func enter(makesMachines: Bool) throws(HostError) {
        #if !SANITIZER
            KernelFigures.keepOpen()
            try check(chost_jail_process(makesMachines), "seccomp", "the jail of the process")
            isEntered.store(true, ordering: .releasing)
        #endif
    }

    /// Takes from the calling thread what a vCPU's thread does not need, if the process is in its jail.
    public static func enterVCPU() throws(HostError) {
        guard isEntered.load(ordering: .acquiring) else { return }
        try check(chost_jail_vcpu(), "seccomp", "the jail of a vCPU")
    }
}
