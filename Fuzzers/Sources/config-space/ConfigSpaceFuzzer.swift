import Devices
import Fuzzing
import Memslots
import PCI

/// Any bytes at all as what a guest does to the functions of a machine, with strict decode or lazy.
///
/// Nothing traps; after each change what is decoded is what the changes add up to: disjoint regions, none of them in a
/// reserved range or past the last address; and in the end it is what the registers say. A change of decode that is refused
/// leaves no trace.
enum ConfigSpaceFuzzer {
    private static let strict = Bus(policy: .strict)
    private static let lazy = Bus(policy: .lazy)

    static func start() {
        fuzz { bytes in
            var program = Program(bytes)
            var bus = program.byte() & 1 == 0 ? strict : lazy
            // More steps show nothing that fewer do not, and take their time.
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
