import Glibc

/// Leaves this process no room for signals that queue (RLIMIT_SIGPENDING) while `body` runs.
func withoutRoomForSignals<Result>(_ body: () throws -> Result) rethrows -> Result {
    let resource = __rlimit_resource_t(11)
    var before = rlimit()
    // SAFETY: the calls read or fill the structures, which outlive them.
    unsafe getrlimit(resource, &before)
    var none = rlimit(rlim_cur: 0, rlim_max: before.rlim_max)
    unsafe setrlimit(resource, &none)
    defer { unsafe setrlimit(resource, &before) }
    return try body()
}
