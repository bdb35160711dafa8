public import Memslots

/// Why no function can be as it is described.
public enum DescriptionError: Error, Hashable, Sendable {
    /// What may lie in a BAR beside plain memory.
    public enum Part: String, Sendable {
        case table = "MSI-X table"
        case pendingBits = "MSI-X pending bits"
        case doorbell
    }

    case classCode(UInt32)
    case barNumber(Int)
    case sizeNotPowerOfTwo(BaseAddressRegister, size: UInt64)
    case tooSmall(BaseAddressRegister, size: UInt64, minimum: UInt64)
    case tooLarge(BaseAddressRegister, size: UInt64, maximum: UInt64)
    case noUpperHalf(bar: Int)
    case upperHalfTaken(bar: Int)
    case registersOutside(bar: Int, Range<UInt64>, size: UInt64)
    case interruptPin(UInt8)
    case msiVectors(Int)
    case vectors(Int)
    case noSuchBAR(Part, bar: Int)
    case notMemory(Part, bar: Int)
    case misaligned(Part, BARLocation)
    case outside(Part, BARLocation, length: UInt64, size: UInt64)
    case above4GiB(Part, BARLocation)
    case overlap(Part, Part, bar: Int)
    case capabilityHeader(id: UInt16, version: UInt8?)
    case capabilityOutside(id: UInt16, offset: UInt64)
    case capabilityOverlap(id: UInt16, offset: UInt64)
    /// So many bytes of a real function's configuration space.
    case recordedBytes(Int)
    /// The header type of a real function that is none of type 0, or is not there.
    case recordedHeader(UInt8)
    case addressTaken(FunctionAddress)
    case bridgeRegisters
    case slotCapability
    /// A function that a slot does not take.
    case slot(FunctionAddress, port: FunctionAddress)
    case virtualCount(Int)
    case busNumbers(FunctionAddress, BridgeDescription)
    /// A piece that a model gives memory for, and the memory does not hold it all.
    case backingTooSmall(BAROwner, piece: BARPiece, Backing, size: UInt64)
}

extension DescriptionError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .classCode(let code): "class code \(hexadecimal(UInt64(code))): it has 24 bits"
        case .barNumber(let number): "BAR \(number): a function has BARs 0 to 5"
        case .sizeNotPowerOfTwo(let register, let size): "\(register): \(bytes(size)) is not a power of two"
        case .tooSmall(let register, let size, let minimum):
            "\(register): \(bytes(size)), the least is \(bytes(minimum))"
        case .tooLarge(let register, let size, let maximum):
            "\(register): \(bytes(size)), the most is \(bytes(maximum))"
        case .noUpperHalf(let bar): "BAR \(bar): a 64-bit BAR takes two places, and there is no BAR \(bar + 1)"
        case .upperHalfTaken(let bar): "BAR \(bar + 1): the upper half of the 64-bit BAR \(bar) is there"
        case .registersOutside(let bar, let range, let size):
            "BAR \(bar): registers at \(offsets(range)) are empty or outside its \(bytes(size))"
        case .interruptPin(let pin): "interrupt pin \(pin): it is 1 (INTA#) to 4 (INTD#), or 0 without one"
        case .msiVectors(let count): "MSI: \(count) vectors, a function has 1, 2, 4, 8, 16 or 32"
        case .vectors(let count): "MSI-X: \(count) vectors, a function has 1 to 2048"
        case .noSuchBAR(let part, let bar): "\(part.rawValue): there is no BAR \(bar)"
        case .notMemory(let part, let bar): "\(part.rawValue): BAR \(bar) is not memory"
        case .misaligned(let part, let place): "\(part.rawValue): \(text(place)) is not a multiple of 8"
        case .outside(let part, let place, let length, let size):
            "\(part.rawValue): \(bytes(length)) at \(text(place)) pass its size of \(bytes(size))"
        case .above4GiB(let part, let place): "\(part.rawValue): \(text(place)), the register for it has 32 bits"
        case .overlap(let part, let other, let bar): "BAR \(bar): \(part.rawValue) and \(other.rawValue) overlap"
        case .capabilityHeader(let id, nil):
            "capability \(hexadecimal(UInt64(id))): the ID has 8 bits, as the capability is not an extended one"
        case .capabilityHeader(let id, let version?):
            "capability \(hexadecimal(UInt64(id))): version \(version), which has 4 bits"
        case .capabilityOutside(let id, let offset):
            "capability \(hexadecimal(UInt64(id))): \(hexadecimal(offset)) is no multiple of 4, or it leaves its part of "
                + "configuration space (0x40 to 0xff, or 0x100 to 0xfff for extended ones)"
        case .capabilityOverlap(let id, let offset):
            "capability \(hexadecimal(UInt64(id))): there is another one at \(hexadecimal(offset))"
        case .backingTooSmall(let owner, let piece, let backing, let size):
            "\(owner): its piece at \(offsets(piece.offsets)) needs \(bytes(piece.size)) from \(hexadecimal(backing.offset)) on in "
                + "backing \(backing.id), which has \(bytes(size))"
        case .recordedBytes(let count): "\(count) bytes of configuration space: a function has 256 or 4096"
        case .recordedHeader(let type):
            "header type \(hexadecimal(UInt64(type))): only functions of type 0 that answer can be given to guests"
        case .addressTaken(let address): "\(address): there is a function already"
        case .bridgeRegisters: "a bridge has BARs 0 and 1 and no others, no ROM and no virtual functions"
        case .slotCapability:
            "a slot for hot plug is that of a root port or of a downstream port of a switch, and not of a recorded one"
        case .slot(let address, let port):
            "\(address): the slot of \(port) takes one device: function 0 of device 0 on its bus, which is no bridge"
        case .virtualCount(let count): "\(count) virtual functions: a function has fewer than 65536"
        case .busNumbers(let address, let bridge):
            "\(address): a bridge to buses \(hexadecimal(UInt64(bridge.secondary))) to "
                + "\(hexadecimal(UInt64(bridge.subordinate))): they lie behind its own bus, are not those of another bridge, and "
                + "lie among those of the bridge above it"
        }
    }

    private func bytes(_ size: UInt64) -> String { "\(hexadecimal(size)) bytes" }

    private func offsets(_ range: Range<UInt64>) -> String {
        "\(hexadecimal(range.lowerBound))..<\(hexadecimal(range.upperBound))"
    }

    private func text(_ place: BARLocation) -> String { "BAR \(place.bar), offset \(hexadecimal(place.offset))" }
}
