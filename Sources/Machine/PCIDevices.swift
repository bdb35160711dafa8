internal import Board
internal import Devices
internal import KVM
internal import Memslots
public import PCI

/// The PCI functions of a machine: their registers, what they decode, and the host memory behind their BARs.
struct PCIDevices {
    private(set) var root = RootComplex()
    private(set) var decoded: DecodedMemory
    private let ecam: GuestRange
    private var backings: [BAROwner: Backing] = [:]
    /// The functions that may want writes to be taken by KVM.
    let testDevices: [FunctionAddress]

    /// Functions with addresses in the apertures, their decode on, or without apertures as after reset; nothing is mapped yet.
    init(
        _ functions: [FunctionAddress: FunctionDescription], decode: DecodePolicy, board: AddressMap,
        isAssigned: Bool, reserved: [GuestRange]
    ) throws(PCIError) {
        ecam = board.ecam
        decoded = DecodedMemory(reserved: reserved, policy: decode)
        testDevices = functions.filter { $0.value.model == .testDevice }.map(\.key).sorted()
        do throws(DescriptionError) {
            for (address, description) in functions {
                try root.insert(description, at: address)
            }
        } catch {
            throw .description(error)
        }
        guard isAssigned else { return }
        do throws(AssignmentError) {
            root.place(try AddressAssigner(board.apertures).assign(functions), enabling: true)
        } catch {
            throw .assignment(error)
        }
    }

    /// What has host memory behind it: BARs of a page or more, and ROMs.
    var backedRegisters: [(owner: BAROwner, size: UInt64)] {
        root.addresses.flatMap { address -> [(owner: BAROwner, size: UInt64)] in
            guard let description = root[address]?.description else { return [] }
            return description.registers.compactMap { register in
                guard let size = description.size(of: register), size >= Page.size else { return nil }
                return (BAROwner(function: address, register: register), size)
            }
        }
    }

    mutating func setBacking(_ backing: Backing, of owner: BAROwner) {
        backings[owner] = backing
    }

    /// The mappings of all functions as they are now.
    mutating func allMappings() -> [Mapping] {
        var mappings: [Mapping] = []
        for address in root.addresses {
            guard let function = root[address] else { continue }
            append(decoded.update(function).added, to: &mappings)
        }
        return mappings
    }

    /// What has to change in memory after a function's registers have.
    mutating func update(_ address: FunctionAddress) -> (removing: [GuestRange], adding: [Mapping]) {
        guard let function = root[address] else { return ([], []) }
        let change = decoded.update(function)
        var added: [Mapping] = []
        append(change.added, to: &added)
        return (change.removed.filter { $0.kind == .mapped }.map(\.range), added)
    }

    private func append(_ regions: [DecodedRegion], to mappings: inout [Mapping]) {
        for region in regions where region.kind == .mapped {
            guard let backing = backings[region.owner] else { continue }
            mappings.append(
                Mapping(
                    range: region.range, backing: Backing(id: backing.id, offset: backing.offset + region.offset),
                    access: region.access, owner: region.owner.mappingOwner))
        }
    }
}

// MARK: - Accesses

/// What an access to a function has led to.
struct PCIEffects {
    /// What was read; all ones where nobody answered.
    var value: UInt64 = 0
    /// A function whose memory has to be looked at again.
    var changed: FunctionAddress?
    var messages: [MSIMessage] = []

    init(value: UInt64 = 0) {
        self.value = value
    }

    init(_ write: ConfigWrite?) {
        guard let write else { return }
        messages = write.change.messages
        changed = write.change.affectsDecodedMemory ? write.function : nil
    }
}

extension PCIDevices {
    /// An access to a port, or nil where the port is none of theirs.
    mutating func accessPort(
        _ port: UInt64, width: AccessWidth, writing value: UInt64?
    ) -> PCIEffects? {
        guard BoardPorts.configuration.contains(port) else {
            return accessPortBAR(port, width: width, writing: value)
        }
        let offset = port - BoardPorts.configuration.lowerBound
        if let value {
            return PCIEffects(root.writePort(value, at: offset, width: width))
        }
        return PCIEffects(value: root.readPort(at: offset, width: width))
    }

    /// An access to an I/O BAR that is decoded, or nil where the port is in none. A BAR that the guest moves over the
    /// board's own ports hides no console.
    private mutating func accessPortBAR(
        _ port: UInt64, width: AccessWidth, writing value: UInt64?
    ) -> PCIEffects? {
        guard let place = portPlace(port, width: width) else { return nil }
        return access(place, width: width, writing: value)
    }

    private func portPlace(_ port: UInt64, width: AccessWidth) -> TrappedPlace? {
        port >= BoardPorts.firstOfBARs ? root.trappedPort(port, width: width) : nil
    }

    /// An access to memory that is not mapped, or nil where no function answers.
    mutating func accessMemory(
        _ address: GuestAddress, width: AccessWidth, writing value: UInt64?
    ) -> PCIEffects? {
        if ecam.contains(address) {
            let offset = ecam.offset(of: address)
            if let value {
                return PCIEffects(root.writeECAM(value, at: offset, width: width))
            }
            return PCIEffects(value: root.readECAM(at: offset, width: width))
        }
        guard let place = decoded.trapped(at: address, width: width) else { return nil }
        return access(place, width: width, writing: value)
    }

    private mutating func access(
        _ place: TrappedPlace, width: AccessWidth, writing value: UInt64?
    ) -> PCIEffects {
        guard let value else { return PCIEffects(value: root.readTrapped(place, width: width)) }
        var effects = PCIEffects()
        effects.messages = root.writeTrapped(value, place, width: width)
        return effects
    }
}

extension PCIDevices {
    /// The write to a function that KVM is to take now; nil where there is none, or where the function does not answer.
    func ioEvent(of address: FunctionAddress) -> IOEvent? {
        guard let function = root[address], let event = function.testDevice?.event else { return nil }
        let (target, overflow) = function.base(of: event.register).addingReportingOverflow(event.offset)
        guard !overflow else { return nil }
        let isPort = event.register == PCITestDevice.portBAR
        let found =
            isPort ? portPlace(target, width: .byte) : decoded.trapped(at: GuestAddress(target), width: .byte)
        let place = TrappedPlace(owner: BAROwner(function: address, register: event.register), offset: event.offset)
        guard found == place else { return nil }
        return IOEvent(address: target, isPort: isPort, size: 1, match: event.match.map { UInt64($0) })
    }

    /// Tells a function of writes that KVM has taken.
    mutating func add(events: UInt64, to address: FunctionAddress) {
        root.add(events: events, to: address)
    }
}

/// Why functions cannot be put into a machine.
public enum PCIError: Error {
    case description(DescriptionError)
    case assignment(AssignmentError)
}

extension PCIError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .description(let error): "\(error)"
        case .assignment(let error): "\(error)"
        }
    }
}
