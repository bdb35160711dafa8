internal import Devices
internal import Host
internal import KVM
internal import PCI
internal import SystemPackage

/// The check of what the guest does with PCI functions (`DriverLint`), and the descriptor that gets a line for each finding.
final class LintLog: Sendable {
    private let lint: Lock<DriverLint>
    private let descriptor: Int32
    private let failure = Lock<Errno?>(nil)

    /// The reason why findings could not be written, or nil if none was lost.
    var loss: Errno? { failure.withLock { $0 } }

    init(_ lint: DriverLint, descriptor: Int32) {
        self.lint = Lock(lint)
        self.descriptor = descriptor
    }

    /// Forgets what is known of a function, because its power is off, or because another function has its address now.
    func forget(_ function: FunctionAddress) { lint.withLock { $0.forget(function) } }

    /// Writes a line for each new finding, with the vCPU and its instruction pointer. The pointer is at the instruction that made
    /// the access, or behind it, because KVM completes some writing instructions before it returns.
    func note(_ vcpu: VCPU, isCancelled: () -> Bool, _ check: (inout DriverLint) -> [LintFinding]) {
        let findings = lint.withLock { check(&$0) }
        guard !findings.isEmpty else { return }
        let pointer = (try? vcpu.cpu.generalRegisters().rip).map { "0x" + String($0, radix: 16) } ?? "unknown"
        let text = findings.map { "vcpu\(vcpu.cpu.id) rip \(pointer) \($0)\n" }.joined()
        let (count, error) = FileBytes.write(Array(text.utf8), to: descriptor, isCancelled: isCancelled)
        if count < text.utf8.count { failure.withLock { $0 = $0 ?? error ?? .canceled } }
    }
}

extension GuestMachine {
    /// Checks a write to the configuration space of a function. It is called after the write.
    func lintWrite(
        _ value: UInt64, _ before: PCIFunction?, _ cell: FunctionCell, at register: UInt64, _ width: AccessWidth,
        _ context: ExitContext
    ) {
        guard let lint, let before, let after = cell.withFunction({ $0 }) else { return }
        lint.note(context.vcpu, isCancelled: { parking.hasStopped }) {
            $0.noteWrite(value, at: register, width: width, before: before, after: after)
        }
    }

    /// Checks an access to a trapped piece of a BAR or to an I/O BAR. It is called after the access.
    func lintAccess(
        _ place: RoutingView.Place, _ width: AccessWidth, _ written: UInt64?, _ context: ExitContext
    ) {
        guard let lint, let function = place.function.withFunction({ $0 }) else { return }
        lint.note(context.vcpu, isCancelled: { parking.hasStopped }) {
            $0.noteAccess(function, place.register, at: place.offset, width: width, written: written)
        }
    }
}
