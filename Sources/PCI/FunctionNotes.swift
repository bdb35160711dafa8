internal import Devices
internal import Memslots

/// A register of configuration space that holds a whole BAR, or a half of a 64-bit BAR.
struct BARHalf: Hashable {
    let bar: BaseAddressRegister
    let isUpper: Bool

    /// Finds the BAR that a register in configuration space belongs to, or returns nil if there is none.
    init?(_ register: UInt64, of description: FunctionDescription) {
        if description.bridge != nil, register >= ConfigOffset.busNumbers { return nil }
        if register == ConfigOffset.rom {
            (bar, isUpper) = (.rom, false)
            return
        }
        guard register >= ConfigOffset.bars, register < ConfigOffset.bars + 24 else { return nil }
        let place = Int((register - ConfigOffset.bars) / 4)
        isUpper = description.bars[place] == nil && description.bars[place - 1]?.kind == .memory64
        bar = .bar(isUpper ? place - 1 : place)
    }

    init(_ bar: BaseAddressRegister, isUpper: Bool) {
        (self.bar, self.isUpper) = (bar, isUpper)
    }
}

/// The notes that `DriverLint` keeps about a function.
struct FunctionNotes: Sendable {
    /// The place of a BAR or ROM.
    struct Place: Hashable {
        let register: BaseAddressRegister
        let base: UInt64
        let size: UInt64
        let isPort: Bool
        let isDecoded: Bool

        var range: GuestRange? { GuestRange(first: GuestAddress(base), size: size) }
    }

    /// The places of all BARs and the ROM.
    private(set) var places: [Place] = []
    /// The BAR to which software wrote an address while the BAR was decoded.
    var moved: BaseAddressRegister?
    /// Whether software has written to the table of MSI-X.
    var hasWrittenTable = false
    /// The halves that hold all ones, which software writes for sizing.
    private var halvesOfAllOnes: Set<BARHalf> = []
    /// The halves that were sized since decode was last switched on.
    private var sized: Set<BARHalf> = []
    /// The first offsets of accesses to each BAR, as long as all accesses have the BAR's flag bits as their low bits. The set is
    /// nil for a BAR that had another access.
    private var offsets: [BaseAddressRegister: Set<UInt64>?] = [:]

    init(_ function: PCIFunction) {
        update(function)
    }

    /// Notes the places of a function's BARs and ROM as they are now.
    mutating func update(_ function: PCIFunction) {
        places = function.description.registers.map { register in
            Place(
                register: register, base: function.base(of: register),
                size: function.description.size(of: register) ?? 0,
                isPort: function.description.bar(register)?.kind == .io, isDecoded: function.isDecoded(register))
        }
    }

    /// Notes a write to a BAR. A write counts as sizing if it writes all ones, whatever its low bits are.
    mutating func noteBAR(_ half: BARHalf, _ value: UInt32, _ before: PCIFunction) -> [DriverLint.Broken] {
        let isDecoded = before.isDecoded(half.bar) && before.description.size(of: half.bar) != nil
        let lowBits = half.isUpper ? 0 : before.flagMask(of: half.bar)
        guard value | lowBits == .max else {
            halvesOfAllOnes.remove(half)
            if isDecoded { moved = half.bar }
            return []
        }
        halvesOfAllOnes.insert(half)
        sized.insert(half)
        if moved == half.bar { moved = nil }
        return isDecoded ? [(half.bar.offset, .sizingWithDecodeOn)] : []
    }

    /// Notes a write to a part of a BAR's register. Such a write may restore what the BAR held before sizing.
    mutating func notePart(of half: BARHalf) {
        halvesOfAllOnes.remove(half)
    }

    /// Returns the rule that the sizing of a BAR breaks, given that the BAR is decoded from now on. Forgets that the BAR was sized.
    mutating func takeSizing(of bar: BaseAddressRegister, _ description: FunctionDescription) -> LintRule? {
        let (lower, upper) = (BARHalf(bar, isUpper: false), BARHalf(bar, isUpper: true))
        defer { sized.subtract([lower, upper]) }
        if halvesOfAllOnes.contains(lower) || halvesOfAllOnes.contains(upper) { return .barNotRestored }
        guard description.bar(bar)?.kind == .memory64 else { return nil }
        return sized.contains(lower) && !sized.contains(upper) ? .upperHalfNotSized : nil
    }

    /// Notes an access. Returns whether software seems to have taken a BAR's flag bits for address bits. This is so if the access
    /// is aligned only without these bits, or if the first three offsets all have them as low bits.
    mutating func takesFlagsForAddress(
        _ flags: UInt64, _ bar: BaseAddressRegister, _ offset: UInt64, _ width: AccessWidth
    ) -> Bool {
        guard flags != 0 else { return false }
        let bytes = UInt64(width.rawValue)
        if !offset.isMultiple(of: bytes), offset >= flags, (offset - flags).isMultiple(of: bytes) { return true }
        guard var known = offsets[bar, default: []] else { return false }
        guard offset & 0xf == flags else {
            offsets[bar] = .some(nil)
            return false
        }
        if known.count < 3 { known.insert(offset) }
        offsets[bar] = known
        return known.count == 3
    }
}

extension PCIFunction {
    /// Returns the bits of a base address register that are not address bits: the kind of a BAR or the enable bit of the ROM, and
    /// what is reserved.
    func flagMask(of register: BaseAddressRegister) -> UInt32 {
        guard case .bar(let number) = register else { return 0x7ff }
        return description.bars[number]?.kind == .io ? 3 : 0xf
    }

    /// Returns whether software can change none of the bytes of an access. The result is false for registers that the specification
    /// lets functions implement in different ways, and for those for which the model answers.
    func isReadOnly(at offset: UInt64, _ width: AccessWidth) -> Bool {
        let bytes = offset..<offset + UInt64(width.rawValue)
        if offset & ~3 == ConfigOffset.headerType || shape.own.contains(where: { $0.overlaps(bytes) }) { return false }
        // Software clears the secondary status of a bridge, and probes for the upper halves of its I/O window, its ROM and its
        // control register.
        if description.bridge != nil, [0x1c, 0x30, 0x38, ConfigOffset.interrupt].contains(offset & ~3) { return false }
        let writable = shape.config.index(of: offset).map { shape.config.writable[$0] } ?? 0
        return UInt64(writable) >> (8 * (offset & 3)) & width.allOnes == 0
    }

    /// Whether MSI is on with several vectors and its data register has bits set in the place where the function puts the numbers
    /// of vectors.
    var hasMisalignedMSIData: Bool {
        guard isMSIEnabled else { return false }
        let data = config[register: description.msiOffset + description.msiForm.data]
        return UInt64(data) & (allocatedMSIVectors &- 1) != 0
    }

    /// Returns the offset of the MSI-X table in a BAR if an access begins in the table, otherwise nil.
    func table(in register: BaseAddressRegister, touchedAt offset: UInt64, _ width: AccessWidth) -> UInt64? {
        let part = part(of: register, touchedAt: offset, width)
        return part?.name == .table && part.map { offset >= $0.location.offset } == true ? part?.location.offset : nil
    }
}
