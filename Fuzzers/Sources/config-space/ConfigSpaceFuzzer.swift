import Devices
import Fuzzing
import Memslots
import PCI

/// A fuzzer that takes any bytes as accesses of a guest to the functions of a machine, with strict or lazy decode.
///
/// Nothing may trap. After each change, the decoded regions must be those that the changes add up to: disjoint, and none of
/// them in a reserved range or past the last address. In the end they must be those that the registers tell. A refused change
/// of decode must leave no trace.
enum ConfigSpaceFuzzer {
    private static let strict = Bus(policy: .strict)
    private static let lazy = Bus(policy: .lazy)

    static func start() {
        fuzz { bytes in
            var program = Program(bytes)
            var bus = program.byte() & 1 == 0 ? strict : lazy
            // More steps find nothing that fewer steps do not find, and take time.
            for _ in 0..<256 where !program.isOver {
                bus.step(&program)
            }
            bus.checkAgainstRegisters()
        }
    }
}

@_cdecl("fuzzer")
public func fuzzer() {
    ConfigSpaceFuzzer.start()
}
