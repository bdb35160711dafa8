internal import Devices
internal import KVM
internal import Memslots
internal import SystemPackage

/// The action of a vCPU's thread after an exit. It depends on the exit alone, so that every kind of exit can be tested without a guest.
enum ExitAction: Equatable {
    case accessPort(PortAccess, AccessWidth)
    case accessMemory(MemoryAccess)
    /// The thread enters the guest again, unless the run has been ended meanwhile.
    case resume
    /// The vCPU stops for a debugger.
    case debug(DebugExit)
    case end(Outcome)

    init(for exit: Exit) {
        switch exit {
        case .port(let access):
            if let width = AccessWidth(rawValue: Int(access.size)), width != .quadword {
                self = .accessPort(access, width)
            } else {
                self = .end(.internalError("a port access of \(access.size) bytes"))
            }
        case .memory(let access): self = .accessMemory(access)
        case .halt: self = .end(.halted)
        case .shutdown: self = .end(.shutdown)
        case .interrupted, .interruptWindow: self = .resume
        case .systemEvent(let type): self = .end(.internalError("system event \(type)"))
        case .entryFailure(let reason):
            self = .end(
                .internalError("the processor refused the guest's state, hardware reason \(hexadecimal(reason))"))
        case .internalError(Exit.emulationFailure):
            self = .end(.internalError("KVM's emulator does not know an instruction"))
        case .internalError(let suberror): self = .end(.internalError("KVM internal error \(suberror)"))
        case .debug(let exit): self = .debug(exit)
        case .unknown(let reason):
            self = .end(.internalError("an exit that KVM does not know, hardware reason \(hexadecimal(reason))"))
        case .failure(let errno): self = .end(.kvmFailure(Errno(rawValue: errno)))
        case .unsupported(let reason): self = .end(.internalError("KVM exit \(reason) is not handled here"))
        }
    }
}
