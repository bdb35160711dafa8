import Devices
import Glibc
import Host
import Machine
import Memslots
import PCI

/// A PCI function whose BAR 0 is memory that the program gives it. BAR 2 holds the table and the pending bits of MSI-X and,
/// after these, a doorbell: a register that counts the writes to it and raises the only vector.
struct Bell: FunctionModel {
    static let address = FunctionAddress(requesterID: 1 << 3)
    static let memorySize = 4 * Page.size
    static let doorbell: UInt64 = 0x808
    /// A vendor-specific capability, whose bytes the function itself answers for. Its length is in the first byte of the body,
    /// and the count is in the last four.
    static let capability = CapabilityDescription(id: 9, offset: 0x60, body: Array(repeating: 0, count: 6), isOwn: true)

    let memory: Backing
    var count: UInt64 = 0

    var description: FunctionDescription {
        FunctionDescription(
            vendorID: 0x1af4, deviceID: 0x10f0,
            bars: [
                0: BARDescription(kind: .memory32, size: Self.memorySize, isPrefetchable: true),
                2: BARDescription(kind: .memory32, size: Page.size, registers: [Self.doorbell..<Self.doorbell + 8]),
            ],
            msix: MSIXDescription(
                vectors: 1, table: BARLocation(bar: 2, offset: 0), pendingBits: BARLocation(bar: 2, offset: 0x800)),
            capabilities: [Self.capability])
    }

    func backing(of piece: BARPiece, in register: BaseAddressRegister) -> Backing? { memory }

    func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        offset == Self.doorbell ? count : 0
    }

    mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects {
        guard offset == Self.doorbell else { return .none }
        count &+= 1
        return FunctionEffects(vectors: [0])
    }

    func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 { offset == 0x62 ? 8 : count }
}

@main struct Example {
    /// Gives the function to the guest `pci`, which uses everything that a function has, and checks the results.
    static func main() throws {
        guard let guest = BuiltInGuest.named("pci") else { exit(1) }
        var file = try MemoryFile(name: "bell")
        try file.resize(to: Bell.memorySize)
        let memory = try ForeignMemory(file, offset: 0, size: Bell.memorySize)
        var configuration = guest.configuration
        let backing = configuration.add(try ForeignBacking(ForeignMemory(file, offset: 0, size: Bell.memorySize)))
        configuration.functions[Bell.address] = Bell(memory: backing)

        let output = Lock("")
        let machine = try GuestMachine(configuration, flat: guest.image) { bytes, _ in
            output.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
        }
        let outcome = try machine.run(timeout: .seconds(60)).outcome

        // Each page that the guest used begins with the page's address and, in the highest 16 bits, with the function's
        // address.
        let bar = machine.readConfiguration(of: Bell.address, at: 0x10, width: .doubleword) & ~0xf
        let isWritten = ([0, 1, 3] as [UInt64]).allSatisfy { page in
            let value = memory.read(count: 8, at: page * Page.size)?.reversed().reduce(0) { $0 << 8 | UInt64($1) }
            return value == (bar + page * Page.size) | UInt64(Bell.address.requesterID) << 48
        }
        let count = machine.readConfiguration(of: Bell.address, at: Bell.capability.offset + 4, width: .doubleword)
        let text = output.withLock { $0 }
        print("\(text)\(outcome); the doorbell counts \(count); the file has the pages: \(isWritten)")
        let isRight = text == "functions 1\nbars 2\nbytesChecked 24\nmismatches 0\ninterrupts 1\n"
        exit(isRight && outcome == .exited(0) && count == 1 && isWritten ? 0 : 1)
    }
}
