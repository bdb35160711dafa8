public import Board
public import Devices
internal import Memslots

/// A check of what software does with PCI functions, made from the accesses that trap. The check reports a broken rule once for
/// each register.
///
/// The check knows of nothing else that the guest does. Accesses to mapped memory behind BARs, for example, do not trap.
public struct DriverLint: Sendable {
    private let board: AddressMap
    private var functions: [FunctionAddress: FunctionNotes] = [:]
    /// The findings that were reported before.
    private var found: Set<LintFinding> = []

    /// Creates a check that knows the functions as they are when the guest starts.
    public init(board: AddressMap, functions: [PCIFunction]) {
        self.board = board
        for function in functions { self.functions[function.address] = FunctionNotes(function) }
    }

    /// Forgets the function at an address, because another function has that address now.
    public mutating func forget(_ function: FunctionAddress) { functions[function] = nil }

    // MARK: What software does

    /// Checks a write to configuration space, and returns the findings that are new.
    ///
    /// - Parameters:
    ///   - offset: The place in configuration space.
    ///   - before: The function before the write.
    ///   - after: The function after the write.
    public mutating func noteWrite(
        _ value: UInt64, at offset: UInt64, width: AccessWidth, before: PCIFunction, after: PCIFunction
    ) -> [LintFinding] {
        guard ConfigSpace.accepts(offset, width) else { return [] }
        let register = offset & ~3
        let half = BARHalf(register, of: after.description)
        var broken = checkMoved(after, unless: half?.bar)
        var notes = functions[after.address] ?? FunctionNotes(before)
        if let half {
            if width == .doubleword {
                broken += notes.noteBAR(half, UInt32(truncatingIfNeeded: value), before)
            } else {
                notes.notePart(of: half)
            }
        } else if register == ConfigOffset.commandAndStatus {
            broken += checkDecode(before, after, &notes)
            let isSending = after.isMSIXOpen || after.isMSIEnabled
            if before.isBusMaster, !after.isBusMaster, isSending { broken.append((register, .notBusMaster)) }
        } else if after.isReadOnly(at: offset, width), before.config.read(at: offset, width: width) != width.mask(value)
        {
            broken.append((register, .readOnlyRegister))
        }
        if register == after.description.msixOffset, after.isMSIXOpen, !before.isMSIXOpen, !notes.hasWrittenTable {
            broken.append((register, .msixTableNotWritten))
        }
        if after.hasMisalignedMSIData { broken.append((after.description.msiOffset, .msiDataMisaligned)) }
        notes.update(after)
        functions[after.address] = notes
        return newFindings(after.address, broken)
    }

    /// Checks an access to a trapped piece of a BAR or to an I/O BAR, and returns the findings that are new.
    ///
    /// - Parameters:
    ///   - function: The function after the access.
    ///   - written: The value of a write, or nil for a read.
    public mutating func noteAccess(
        _ function: PCIFunction, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth,
        written: UInt64?
    ) -> [LintFinding] {
        var broken = checkMoved(function, unless: nil)
        var notes = functions[function.address] ?? FunctionNotes(function)
        if let table = function.table(in: register, touchedAt: offset, width) {
            let isWhole = [.doubleword, .quadword].contains(width) && offset.isMultiple(of: UInt64(width.rawValue))
            if !isWhole { broken.append((register.offset, .msixTableWidth)) }
            if isWhole, let written {
                notes.hasWrittenTable = true
                let unmasks =
                    (offset - table) % 16 + UInt64(width.rawValue) == 16
                    && (width == .quadword ? written >> 32 : written) & 1 == 0
                if unmasks, function.msix?.address(ofEntryAt: offset - table) == 0 {
                    broken.append((register.offset, .msixAddressZero))
                }
            }
        } else {
            let flags =
                register == .rom
                ? 0 : UInt64(function.config[register: register.offset] & function.flagMask(of: register))
            if notes.takesFlagsForAddress(flags, register, offset, width) {
                broken.append((register.offset, .lowBitsOfBAR))
            }
            if function.isMSIXOpen || function.isMSIEnabled, !function.isBusMaster {
                broken.append((ConfigOffset.commandAndStatus, .notBusMaster))
            }
        }
        functions[function.address] = notes
        return newFindings(function.address, broken)
    }

    /// Checks an unclaimed access, which may have been meant for a BAR whose decode is off. Returns the findings that are new.
    public mutating func noteUnclaimed(at address: UInt64, isPort: Bool) -> [LintFinding] {
        var findings: [LintFinding] = []
        for (function, notes) in functions {
            for place in notes.places where !place.isDecoded && place.isPort == isPort && place.base != 0 {
                guard address >= place.base, address - place.base < place.size else { continue }
                findings += newFindings(function, [(place.register.offset, .accessWithDecodeOff)])
            }
        }
        return findings
    }

    // MARK: Where BARs lie

    /// Checks the place of a BAR that was moved while it was decoded. The check waits for an access to something other than this
    /// BAR's registers, because software may have written only one half of the BAR before.
    ///
    /// - Parameter bar: The BAR whose register the access reads or writes, or nil if the access is to something else.
    private mutating func checkMoved(_ function: PCIFunction, unless bar: BaseAddressRegister?) -> [Broken] {
        guard let moved = functions[function.address]?.moved, moved != bar else { return [] }
        functions[function.address]?.moved = nil
        let place = functions[function.address]?.places.first { $0.register == moved }
        return place.flatMap { checkPlace($0, of: function.address) }.map { [$0] } ?? []
    }

    /// Checks the BARs whose decode a write to the command register has switched on.
    private mutating func checkDecode(_ before: PCIFunction, _ after: PCIFunction, _ notes: inout FunctionNotes)
        -> [Broken]
    {
        var broken: [Broken] = []
        notes.update(after)
        functions[after.address] = notes
        for place in notes.places where place.isDecoded && !before.isDecoded(place.register) {
            switch notes.takeSizing(of: place.register, after.description) {
            case let rule?: broken.append((place.register.offset, rule))
            case nil: if let wrong = checkPlace(place, of: after.address) { broken.append(wrong) }
            }
        }
        return broken
    }

    /// Returns the rule that a decoded BAR breaks because of its address, or nil if it breaks none.
    private func checkPlace(_ place: FunctionNotes.Place, of function: FunctionAddress) -> Broken? {
        let register = place.register.offset
        guard !place.isPort else {
            let isInside = (place.range?.last.rawValue ?? .max) <= UInt64(UInt16.max)
            return isInside && place.base >= BoardPorts.firstBARPort
                ? overlapping(place, of: function) : (register, .outsideAperture)
        }
        guard let range = place.range else { return (register, .outsideAperture) }
        if board.ram.ranges.contains(where: range.overlaps) { return (register, .overRAM) }
        let apertures = [board.apertures.low] + (board.apertures.high.map { [$0] } ?? [])
        guard apertures.contains(where: { $0.contains(range) }) else { return (register, .outsideAperture) }
        return overlapping(place, of: function)
    }

    private func overlapping(_ place: FunctionNotes.Place, of function: FunctionAddress) -> Broken? {
        for (address, notes) in functions {
            for other in notes.places where other.isDecoded && other.isPort == place.isPort {
                guard address != function || other.register != place.register,
                    let range = place.range, let taken = other.range, range.overlaps(taken)
                else { continue }
                return (place.register.offset, .overlap)
            }
        }
        return nil
    }

    // MARK: Findings

    /// A rule that an access breaks, with the register in configuration space.
    typealias Broken = (register: UInt64, rule: LintRule)

    /// Returns the findings that were not reported before.
    private mutating func newFindings(_ function: FunctionAddress, _ broken: [Broken]) -> [LintFinding] {
        broken.map { LintFinding(function: function, register: $0.register, rule: $0.rule) }
            .filter { found.insert($0).inserted }
    }
}
