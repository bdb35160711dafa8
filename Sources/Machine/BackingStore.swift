public import Host
package import Memslots

/// The host memory of a machine, by the ids of its backings.
///
/// RAM has a memory file of its own, so that it can be given to a device process alone. BARs, ROMs and other memory of the machine's
/// share another file. The backings that the machine was given come behind these.
package struct BackingStore: ~Copyable {
    /// The id of the RAM.
    package static let ram = 0
    /// The id of the file with BARs, ROMs and other memory of the machine's.
    static let machine = 1

    private let ramFile: SealedFile
    private let machineFile: SealedFile?
    private var foreign: [ForeignBacking] = []
    /// The bytes of the machine's own file that have been allocated.
    private var allocated: UInt64 = 0

    /// Makes the two files and seals their sizes, so that nobody to whom one is given can take memory away under the guest. Their
    /// pages take memory once they are touched.
    package init(ram: UInt64, machine: UInt64 = 0) throws(HostError) {
        let ramFile = try SealedFile(name: "swiftlet-ram", size: ram)
        machineFile = machine > 0 ? try SealedFile(name: "swiftlet-bars", size: machine) : nil
        self.ramFile = ramFile
    }

    /// Adds a backing whose memory somebody else holds too. Returns its id.
    mutating func add(_ backing: ForeignBacking) -> Int {
        foreign.append(backing)
        return Self.machine + foreign.count
    }

    /// Allocates zeroed memory of the machine's own, in whole pages. It lasts as long as the machine.
    mutating func allocate(_ size: UInt64) throws(MachineError) -> Backing {
        let left = (machineFile?.file.capacity ?? 0) - allocated
        guard size <= left else { throw .outOfSpareMemory(asked: size, left: left) }
        // What is left ends at a page as well.
        defer { allocated = min((allocated + size + Page.size - 1) / Page.size * Page.size, allocated + left) }
        return Backing(id: Self.machine, offset: allocated)
    }

    /// The host address of each backing's first byte.
    package var hostAddresses: [UInt64] {
        [ramFile.file.address, machineFile?.file.address ?? 0] + foreign.map { $0.reservation.address }
    }

    /// Returns the number of bytes that mappings may show of a backing, or nil if there is no backing with this id.
    func size(of id: Int) -> UInt64? {
        switch id {
        case Self.ram: ramFile.file.capacity
        case Self.machine: allocated
        default: foreignBacking(id)?.memory.size
        }
    }

    /// Throws if a mapping shows memory that its backing does not have. A guest would see other memory of this process.
    func check(_ mapping: Mapping) throws(MachineError) {
        let size = size(of: mapping.backing.id)
        guard let size, mapping.backing.offset <= size, mapping.range.size <= size - mapping.backing.offset else {
            throw .backingEnds(mapping, size: size ?? 0)
        }
    }

    private func foreignBacking(_ id: Int) -> ForeignBacking? {
        let index = id - Self.machine - 1
        return foreign.indices.contains(index) ? foreign[index] : nil
    }

    // MARK: Bytes

    /// Copies bytes into a backing. Returns whether all of them were copied. Memory that somebody else holds is written by its
    /// descriptor.
    package func write(_ bytes: Span<UInt8>, at place: Backing) -> Bool {
        switch place.id {
        case Self.ram: ramFile.file.write(bytes, at: place.offset)
        case Self.machine: machineFile?.file.write(bytes, at: place.offset)
        default: return foreignBacking(place.id)?.memory.write(bytes, at: place.offset) ?? false
        }
        return true
    }

    /// Returns bytes of a backing, or nil if they cannot be read.
    func read(count: Int, at place: Backing) -> [UInt8]? {
        switch place.id {
        case Self.ram: ramFile.file.read(count: count, at: place.offset)
        case Self.machine: machineFile?.file.read(count: count, at: place.offset)
        default: foreignBacking(place.id)?.memory.read(count: count, at: place.offset)
        }
    }

    /// Maps a part of a backing into reserved address space.
    func map(
        _ place: Backing, size: UInt64, into reservation: borrowing AddressReservation, at offset: UInt64
    ) throws(HostError) {
        switch place.id {
        case Self.ram: try ramFile.file.map(from: place.offset, size: size, into: reservation, at: offset)
        case Self.machine: try machineFile?.file.map(from: place.offset, size: size, into: reservation, at: offset)
        default:
            guard let backing = foreignBacking(place.id) else { return }
            try reservation.map(backing.memory, from: place.offset, size: size, at: offset)
        }
    }
}

/// A memory file of the machine's own.
private final class SealedFile: Sendable {
    let file: MappedFile

    init(name: String, size: UInt64) throws(HostError) {
        var file = try MappedFile(name: name, capacity: size)
        try file.resize(to: size)
        try file.sealSize()
        self.file = file
    }
}

/// Memory that somebody else holds too, mapped once for guests. `MachineConfiguration.add` gives it to a machine.
public final class ForeignBacking: Sendable {
    let memory: ForeignMemory
    let reservation: AddressReservation

    /// Maps the memory for guests.
    public init(_ memory: consuming ForeignMemory) throws(HostError) {
        let reservation = try AddressReservation(size: memory.size)
        try reservation.map(memory, from: 0, size: memory.size, at: 0)
        self.reservation = reservation
        self.memory = memory
    }
}
