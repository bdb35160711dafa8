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
    public static func prepare() throws(HostError) {
        try check(chost_prepare_process(), "open", "/dev/null for a standard stream that is closed")
    }
}
