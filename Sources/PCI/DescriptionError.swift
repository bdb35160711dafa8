public import Memslots

/// The reason why no function can be made from a description.
public enum DescriptionError: Error, Hashable, Sendable {
    /// A structure of a function that lies in a BAR beside plain memory.
    public enum Part: String, Sendable {
        /// The MSI-X table.
        case table = "MSI-X table"
        /// The pending bits of MSI-X.
        case pendingBits = "MSI-X pending bits"
        /// The place at which the guest has vectors raised.
        case doorbell
    }

    /// A class code of more than 24 bits.
    case classCode(UInt32)
    /// A BAR whose number is not from 0 to 5.
    case barNumber(Int)
    /// A size in bytes that is not a power of two.
    case sizeNotPowerOfTwo(BaseAddressRegister, size: UInt64)
    /// A size in bytes that is below the smallest size for this register.
    case tooSmall(BaseAddressRegister, size: UInt64, minimum: UInt64)
    /// A size in bytes that is above the largest size for this register.
    case tooLarge(BaseAddressRegister, size: UInt64, maximum: UInt64)
    /// A 64-bit BAR with a number that has no next one for the upper half.
    case noUpperHalf(bar: Int)
    /// A 64-bit BAR, by its number, with another BAR where its upper half is.
    case upperHalfTaken(bar: Int)
    /// Registers that are empty or pass the end of their BAR, which has `size` bytes.
    case registersOutside(bar: Int, Range<UInt64>, size: UInt64)
    /// A number of an interrupt pin above 4.
    case interruptPin(UInt8)
    /// A number of MSI vectors other than 1, 2, 4, 8, 16 or 32.
    case msiVectors(Int)
    /// A number of MSI-X vectors that is not from 1 to 2048.
    case vectors(Int)
    /// A structure in a BAR that does not exist.
    case noSuchBAR(Part, bar: Int)
    /// A structure in an I/O BAR.
    case notMemory(Part, bar: Int)
    /// A structure whose offset is not a multiple of 8.
    case misaligned(Part, BARLocation)
    /// A structure of `length` bytes that passes the end of its BAR, which has `size` bytes.
    case outside(Part, BARLocation, length: UInt64, size: UInt64)
    /// A structure of MSI-X whose offset does not fit into the 32-bit register for it.
    case above4GiB(Part, BARLocation)
    /// Two structures in one BAR that overlap.
    case overlap(Part, Part, bar: Int)
    /// A capability whose ID or version has more bits than the header has room for.
    case capabilityHeader(id: UInt16, version: UInt8?)
    /// A capability whose offset is not a multiple of 4, or that leaves its part of configuration space.
    case capabilityOutside(id: UInt16, offset: UInt64)
    /// A capability that overlaps another one.
    case capabilityOverlap(id: UInt16, offset: UInt64)
    /// A number of recorded bytes that is not the size of a real function's configuration space.
    case recordedBytes(Int)
    /// A real function, by its header type, that guests cannot have: the type is not 0 (for a bridge 1), or the header reads as all
    /// ones.
    case recordedHeader(UInt8)
    /// A function at the address of another one.
    case addressTaken(FunctionAddress)
    /// A bridge with other BARs than 0 and 1, a ROM, or virtual functions.
    case bridgeRegisters
    /// A bridge with a slot that is recorded, or that does not have the PCI Express capability of a port with a slot.
    case slotCapability
    /// A function that the slot of a port does not take.
    case slot(FunctionAddress, port: FunctionAddress)
    /// A number of virtual functions that is not from 0 to 65535.
    case virtualCount(Int)
    /// A bridge whose buses are not behind its own bus, belong to another bridge, or are not behind the bridge above it.
    case busNumbers(FunctionAddress, BridgeDescription)
    /// A piece whose backing, which the model gave, does not hold all of it. The backing has `size` bytes.
    case backingTooSmall(BAROwner, piece: BARPiece, Backing, size: UInt64)
}

extension DescriptionError: CustomStringConvertible {
    /// What is wrong, and the limit or rule.
    public var description: String {
        switch self {
        case .classCode(let code): "class code \(hexadecimal(UInt64(code))): it has 24 bits"
        case .barNumber(let number): "BAR \(number): a function has BARs 0 to 5"
        case .sizeNotPowerOfTwo(let register, let size): "\(register): \(sizeText(size)) is not a power of two"
        case .tooSmall(let register, let size, let minimum):
            "\(register): a size of \(sizeText(size)) is below the least, \(sizeText(minimum))"
        case .tooLarge(let register, let size, let maximum):
            "\(register): a size of \(sizeText(size)) is above the most, \(sizeText(maximum))"
        case .noUpperHalf(let bar): "BAR \(bar): a 64-bit BAR takes two places, and there is no BAR \(bar + 1)"
        case .upperHalfTaken(let bar): "BAR \(bar + 1): the upper half of the 64-bit BAR \(bar) is there"
        case .registersOutside(let bar, let range, let size):
            "BAR \(bar): registers at \(offsets(range)) are empty or outside its \(sizeText(size))"
        case .interruptPin(let pin): "interrupt pin \(pin): it is 1 (INTA#) to 4 (INTD#), or 0 without one"
        case .msiVectors(let count): "MSI: \(count) vectors, a function has 1, 2, 4, 8, 16 or 32"
        case .vectors(let count): "MSI-X: \(count) vectors, a function has 1 to 2048"
        case .noSuchBAR(let part, let bar): "\(part.rawValue): there is no BAR \(bar)"
        case .notMemory(let part, let bar): "\(part.rawValue): BAR \(bar) is not memory"
        case .misaligned(let part, let place): "\(part.rawValue): \(text(place)) is not a multiple of 8"
        case .outside(let part, let place, let length, let size):
            "\(part.rawValue): \(sizeText(length)) at \(text(place)) end beyond the BAR, which has \(sizeText(size))"
        case .above4GiB(let part, let place): "\(part.rawValue): \(text(place)), the register for it has 32 bits"
        case .overlap(let part, let other, let bar): "BAR \(bar): \(part.rawValue) and \(other.rawValue) overlap"
        case .capabilityHeader(let id, nil):
            "capability \(hexadecimal(UInt64(id))): the ID has 8 bits, as the capability is not an extended one"
        case .capabilityHeader(let id, let version?):
            "capability \(hexadecimal(UInt64(id))): version \(version), which has 4 bits"
        case .capabilityOutside(let id, let offset):
            "capability \(hexadecimal(UInt64(id))) at \(hexadecimal(offset)): the offset must be a multiple of 4, and all of the "
                + "capability must lie from 0x40 to 0xff, or from 0x100 to 0xfff if it is an extended one"
        case .capabilityOverlap(let id, let offset):
            "capability \(hexadecimal(UInt64(id))): there is another one at \(hexadecimal(offset))"
        case .backingTooSmall(let owner, let piece, let backing, let size):
            "\(owner): its piece at \(offsets(piece.offsets)) needs \(sizeText(piece.size)) from \(hexadecimal(backing.offset)) on in "
                + "backing \(backing.id), which has \(sizeText(size))"
        case .recordedBytes(let count): "\(count) bytes of configuration space: a function has 256 or 4096"
        case .recordedHeader(let type):
            "header type \(hexadecimal(UInt64(type))): guests can have only functions that answer and whose type is 0, or 1 for bridges"
        case .addressTaken(let address): "\(address): there is a function already"
        case .bridgeRegisters: "a bridge has BARs 0 and 1 and no others, no ROM and no virtual functions"
        case .slotCapability:
            "only a root port or the downstream port of a switch can have a slot for hot plug, and no recorded bridge can"
        case .slot(let address, let port):
            "\(address): the slot of port \(port) takes only function 0 of device 0 on its bus, and no bridge"
        case .virtualCount(let count): "\(count) virtual functions: a function has fewer than 65536"
        case .busNumbers(let address, let bridge):
            "\(address): a bridge to buses \(hexadecimal(UInt64(bridge.secondary))) to "
                + "\(hexadecimal(UInt64(bridge.subordinate))): they must be higher than its own bus, belong to no other bridge, "
                + "and be among the buses of the bridge above it"
        }
    }

    private func offsets(_ range: Range<UInt64>) -> String {
        "\(hexadecimal(range.lowerBound))..<\(hexadecimal(range.upperBound))"
    }

    private func text(_ place: BARLocation) -> String { "BAR \(place.bar), offset \(hexadecimal(place.offset))" }
}
