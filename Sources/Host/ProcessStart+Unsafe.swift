internal import CHost

/// What a program does before anything else.
public enum ProcessStart {
    /// The arguments that the process was started with, its name first. Unlike those of `CommandLine` they need no /proc.
    public static var arguments: [String] {
        var arguments: [String] = []
        // SAFETY: the string of an argument lasts as long as the process, and nobody changes it.
        while let argument = unsafe chost_argument(Int32(clamping: arguments.count)) {
            unsafe arguments.append(String(cString: argument))
        }
        return arguments
    }

    /// Opens those of the three standard streams that are closed, so that no file gets their numbers. Reading and writing them still
    /// fails. Growing a file beyond RLIMIT_FSIZE fails from then on, too, instead of ending the process.
    ///
    /// From then on SIGHUP, SIGINT, SIGQUIT, SIGPIPE and SIGTERM end the process with status 130 and remove files that are not whole,
    /// each unless it was ignored. Threads that write to a broken pipe while they block SIGPIPE send it to the process.
    public static func prepare() throws(HostError) {
        try check(chost_prepare_process(), "open", "/dev/null for a standard stream that is closed")
    }

    /// Ends the process with a status after this time, whatever its threads wait for: the process has a time limit too, and a reader
    /// that stalls costs the output, not the end. A later call takes the place of an earlier one.
    public static func end(after time: Duration, status: Int32) {
        chost_end_after(max(.zero, time).nanoseconds, status)
    }

    /// Ends the process as SIGPIPE does, unless that is ignored.
    public static func endByBrokenPipe() {
        chost_end_by_broken_pipe()
    }
}
