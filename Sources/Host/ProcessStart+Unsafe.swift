internal import CHost
internal import Glibc

/// What a program does before anything else.
public enum ProcessStart {
    /// The arguments of the process, beginning with its name. Unlike `CommandLine.arguments`, they do not need /proc.
    public static var arguments: [String] {
        var arguments: [String] = []
        // SAFETY: an argument's string lasts as long as the process, and nobody changes it.
        while let argument = unsafe chost_argument(Int32(clamping: arguments.count)) {
            unsafe arguments.append(String(cString: argument))
        }
        return arguments
    }

    /// Prepares the process. Opens those of the three standard streams that are closed, so that no file gets their numbers. Reading
    /// and writing these streams still fails. From then on, growing a file beyond RLIMIT_FSIZE fails too, instead of ending the
    /// process.
    ///
    /// From then on SIGHUP, SIGINT, SIGQUIT, SIGPIPE and SIGTERM end the process with status 130 and remove unfinished files. A
    /// signal that was ignored stays ignored. A thread that blocks SIGPIPE and writes to a broken pipe sends SIGPIPE to the
    /// process.
    public static func prepare() throws(HostError) {
        try check(chost_prepare_process(), "open", "/dev/null for a standard stream that is closed")
    }

    /// Ends the process with a status after this time, whatever its threads wait for. So a process with a time limit ends even if
    /// the reader of its output stalls, and only output is lost. A later call replaces an earlier one.
    public static func end(after time: Duration, status: Int32) {
        chost_end_after(max(.zero, time).nanoseconds, status)
    }

    /// Ends the process as SIGPIPE does. Does nothing if SIGPIPE is ignored.
    public static func endByBrokenPipe() {
        raise(SIGPIPE)
    }
}
