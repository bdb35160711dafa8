internal import Devices
internal import Memslots

/// A register of a BAR: the whole of it, or a half of one of 64 bits.
struct BARHalf: Hashable {
    let bar: BaseAddressRegister
    let isUpper: Bool

    /// Finds the BAR of a register in configuration space, or returns nil if there is none.
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

/// What `DriverLint` remembers of a function.
struct FunctionNotes: Sendable {
    /// Where a BAR lies.
    struct Place: Hashable {
        let register: BaseAddressRegister
        let base: UInt64
        let size: UInt64
        let isPort: Bool
        let isDecoded: Bool

        var range: GuestRange? { GuestRange(first: GuestAddress(base), size: size) }
    }

    private(set) var places: [Place] = []
    /// The BAR to which software wrote an address while it was decoded.
    var moved: BaseAddressRegister?
    /// Whether software has written to the table of MSI-X.
    var hasWrittenTable = false
    /// The halves that hold what sizing writes, and those that were sized since decode was switched on last.
    private var ones: Set<BARHalf> = []
    private var sized: Set<BARHalf> = []
    /// The first places of accesses to each BAR, as long as all have the BAR's low bits. It is nil for a BAR that was used otherwise.
    private var offsets: [BaseAddressRegister: Set<UInt64>?] = [:]

    init(_ function: PCIFunction) {
        update(function)
    }

    /// Notes where the BARs of a function lie now.
    mutating func update(_ function: PCIFunction) {
        places = function.description.registers.map { register in
            let isPort =
                if case .bar(let number) = register { function.description.bars[number]?.kind == .io } else { false }
            return Place(
                register: register, base: function.base(of: register),
                size: function.description.size(of: register) ?? 0,
                isPort: isPort, isDecoded: function.isDecoded(register))
        }
    }

    /// Notes a write to a BAR. Sizing writes all ones, whatever stands in the low bits.
    mutating func noteBAR(_ half: BARHalf, _ value: UInt32, _ before: PCIFunction) -> [DriverLint.Broken] {
        let isDecoded = before.isDecoded(half.bar) && before.description.size(of: half.bar) != nil
        let lowBits = half.isUpper ? 0 : before.flagMask(of: half.bar)
        guard value | lowBits == .max else {
            ones.remove(half)
            if isDecoded { moved = half.bar }
            return []
        }
        ones.insert(half)
        sized.insert(half)
        if moved == half.bar { moved = nil }
        return isDecoded ? [(half.bar.offset, .sizingWithDecodeOn)] : []
    }

    /// Notes a write to a part of a BAR, which may restore what was there before sizing.
    mutating func notePart(of half: BARHalf) {
        ones.remove(half)
    }

    /// Returns what is wrong with the sizing of a BAR that is decoded from now on.
    mutating func takeSizing(of bar: BaseAddressRegister, _ description: FunctionDescription) -> LintRule? {
        let (lower, upper) = (BARHalf(bar, isUpper: false), BARHalf(bar, isUpper: true))
        defer { sized.subtract([lower, upper]) }
        if ones.contains(lower) || ones.contains(upper) { return .barNotRestored }
        guard case .bar(let number) = bar, description.bars[number]?.kind == .memory64 else { return nil }
        return sized.contains(lower) && !sized.contains(upper) ? .upperHalfNotSized : nil
    }

    /// Whether accesses to a BAR show that software has taken its low bits for address bits: an access would be aligned without them, or
    /// the first three places have them all.
    mutating func takesForAddress(
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
    /// The bits of a base address register that are no address: what kind it is, or whether a ROM is enabled, and what is reserved.
    func flagMask(of register: BaseAddressRegister) -> UInt32 {
        guard case .bar(let number) = register else { return 0x7ff }
        return description.bars[number]?.kind == .io ? 3 : 0xf
    }

    /// Whether software can change none of the bytes of an access. Of registers that the specification lets functions have in different
    /// ways it is false, and of those for which the model answers.
    func isReadOnly(at offset: UInt64, _ width: AccessWidth) -> Bool {
        let bytes = offset..<offset + UInt64(width.rawValue)
        if offset & ~3 == ConfigOffset.headerType || shape.own.contains(where: { $0.overlaps(bytes) }) { return false }
        // Software clears the secondary status of a bridge, and looks for the upper halves of its I/O window, its ROM and its control register.
        if description.bridge != nil, [0x1c, 0x30, 0x38, ConfigOffset.interrupt].contains(offset & ~3) { return false }
        let writable = shape.config.index(of: offset).map { shape.config.writable[$0] } ?? 0
        return UInt64(writable) >> (8 * (offset & 3)) & width.allOnes == 0
    }

    /// Whether MSI is on with several vectors, and the data of its message have bits where the function puts their numbers.
    var hasMisalignedMSIData: Bool {
        guard isMSIEnabled else { return false }
        let data = config[register: description.msiOffset + description.msiForm.data]
        return UInt64(data) & (allocatedMSIVectors &- 1) != 0
    }

    /// Returns the beginning of the MSI-X table in a BAR if an access touches it.
    func table(in register: BaseAddressRegister, touchedAt offset: UInt64, _ width: AccessWidth) -> UInt64? {
        let part = part(of: register, touchedAt: offset, width)
        return part?.name == .table && part.map { offset >= $0.location.offset } == true ? part?.location.offset : nil
    }
}
