import Devices
import Memslots
import PCI
import PCISupport

/// What `DecodedMemory` should be, from configuration bytes and in the plainest way.
struct DecodedMemoryModel {
    struct Region: Hashable {
        var owner: BAROwner
        var piece: Int
        var first: UInt64
        var last: UInt64
        var kind: BARPiece.Kind

        func overlaps(_ other: Region) -> Bool { first <= other.last && other.first <= last }
    }

    let policy: DecodePolicy
    let reserved: [GuestRange]
    /// The bridge above each bus that has one.
    var parents: [UInt8: FunctionAddress] = [:]
    private(set) var regions: [Region] = []

    init(policy: DecodePolicy, reserved: [GuestRange]) {
        self.policy = policy
        self.reserved = reserved
    }

    mutating func update(_ root: RootComplex) {
        let old = regions
        regions = []
        func show(_ region: Region) {
            let isFree = !reserved.contains { $0.first.rawValue <= region.last && region.first <= $0.last.rawValue }
            if isFree, !regions.contains(where: region.overlaps) { regions.append(region) }
        }
        var decoded: Set<BAROwner> = []
        for address in root.addresses {
            guard let description = root[address]?.description else { continue }
            for register in description.registers {
                let owner = BAROwner(function: address, register: register)
                guard let base = Self.base(root, owner) else { continue }
                let all = Self.regions(description, owner, base)
                let reached = all.filter { isPassedOn(root, to: address, $0.first, $0.last, [0x20, 0x24]) }
                guard all.isEmpty || !reached.isEmpty else { continue }
                decoded.insert(owner)
                for region in reached { show(region) }
            }
        }
        guard policy == .lazy else { return }
        for region in old
        where region.kind == .mapped && !decoded.contains(region.owner) && root[region.owner.function] != nil {
            show(region)
        }
    }

    private static func regions(_ description: FunctionDescription, _ owner: BAROwner, _ base: UInt64) -> [Region] {
        let (end, overflow) = base.addingReportingOverflow(description.size(of: owner.register) ?? 0)
        guard !overflow, end <= 1 << 52 else { return [] }
        return description.pieces(of: owner.register).enumerated().map { index, piece in
            Region(
                owner: owner, piece: index, first: base + piece.offsets.lowerBound,
                last: base + piece.offsets.upperBound - 1, kind: piece.kind)
        }
    }

    /// Whether each bridge above a function has a window that holds a range; `windows` are the offsets of their registers.
    func isPassedOn(
        _ root: RootComplex, to function: FunctionAddress, _ first: UInt64, _ last: UInt64, _ windows: [UInt64]
    ) -> Bool {
        guard let parent = parents[function.bus] else { return true }
        func read(_ offset: UInt64) -> UInt64 {
            root[parent]?.config.read(at: offset, width: .doubleword) ?? 0
        }
        let holds = windows.contains { window in
            let register = read(window)
            var (base, end) = ((register & 0xfff0) << 16, (register >> 16 & 0xfff0) << 16 + 1 << 20)
            if window == 0x1c { (base, end) = ((register & 0xf0) << 8, (register >> 8 & 0xf0) << 8 + 1 << 12) }
            if window == 0x24 { (base, end) = (base + read(0x28) << 32, end + read(0x2c) << 32) }
            return read(4) & (window == 0x1c ? 1 : 2) != 0 && base <= first && last < end
        }
        return holds && isPassedOn(root, to: parent, first, last, windows)
    }

    /// Where a register is decoded, read as a guest reads it.
    private static func base(_ root: RootComplex, _ owner: BAROwner) -> UInt64? {
        func read(_ offset: UInt64) -> UInt64 {
            root[owner.function]?.config.read(at: offset, width: .doubleword) ?? 0
        }
        guard read(4) & 2 != 0 else { return nil }
        guard case .bar(let number) = owner.register else {
            return read(0x30) & 1 == 0 ? nil : read(0x30) & 0xffff_f800
        }
        let low = read(0x10 + 4 * UInt64(number))
        guard low & 1 == 0 else { return nil }
        let high = low & 6 == 4 ? read(0x14 + 4 * UInt64(number)) << 32 : 0
        return high | low & 0xffff_fff0
    }
}

extension DecodedMemoryModel.Region {
    init(_ region: DecodedRegion) {
        self.init(
            owner: region.owner, piece: region.piece, first: region.range.first.rawValue,
            last: region.range.last.rawValue, kind: region.kind)
    }
}
