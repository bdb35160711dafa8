public import Host
package import Memslots

/// The host memory of a machine, by the ids of its backings.
///
/// RAM that is not shared is memory of this process alone, which the host can give in huge pages. Shared RAM has a memory file
/// of its own, so that a device process gets the RAM and nothing else. BARs, ROMs and other memory of the machine's own share
/// another file. The foreign backings have the ids behind these two.
package struct BackingStore: ~Copyable {
    /// The id of the RAM's backing.
    package static let ram = 0
    /// The id of the file with BARs, ROMs and other memory of the machine's own.
    static let machine = 1

    private let ram: HostMemory
    private let machineFile: HostMemory?
    private var foreign: [ForeignBacking?] = []
    /// The bytes of the machine's own file that have been allocated.
    private var allocated: UInt64 = 0

    /// Makes the memory. A page takes memory of the host once it is touched. The sizes of files are sealed, so that no process
    /// that gets one can cut it under the guest.
    ///
    /// - Parameters:
    ///   - ramSize: The size of the RAM in bytes.
    ///   - isShared: Whether the RAM is in a file, because another process gets it or because it is mapped a second time.
    ///   - machine: The size in bytes of the file with other memory.
    package init(ram ramSize: UInt64, isShared: Bool, machine: UInt64 = 0) throws(HostError) {
        let ram =
            isShared
            ? try HostMemory(file: "swiftlet-ram", size: ramSize)
            : try HostMemory(size: ramSize, inHugePages: ramSize >= Self.hugeFrom)
        machineFile = machine > 0 ? try HostMemory(file: "swiftlet-bars", size: machine) : nil
        self.ram = ram
    }

    /// The size in bytes from which on RAM has huge pages. A smaller guest touches few pages. As huge pages, each would take
    /// 512 times the memory of the host, and 512 times the time to clear it.
    private static let hugeFrom: UInt64 = 64 << 20

    /// Returns whether the RAM is in a file, and what the host has given for it until now.
    func ramUse() throws(HostError) -> (isFile: Bool, use: MemoryUse) {
        (ram.file != nil, try MemoryUse(from: ram.address, size: ram.size))
    }

    /// The RAM in the form in which devices get it. The RAM must be in a file.
    var sharedRAM: SharedRAM {
        guard let file = ram.file else { preconditionFailure("RAM that is given to devices is in a file") }
        return SharedRAM(ram: ram, file: file)
    }

    /// Adds a foreign backing. Returns its id, the lowest free one.
    mutating func add(_ backing: ForeignBacking) -> Int {
        let index = foreign.firstIndex { $0 == nil } ?? foreign.count
        if index == foreign.count { foreign.append(nil) }
        foreign[index] = backing
        return Self.machine + 1 + index
    }

    /// Gives memory that no mapping shows any more back to the host: pages of the machine's file, or the whole of a foreign backing.
    mutating func release(_ place: Backing, size: UInt64) {
        let index = place.id - Self.machine - 1
        if foreign.indices.contains(index) {
            foreign[index]?.giveBack()
            foreign[index] = nil
        }
        if place.id == Self.machine { machineFile?.discard(size: size, at: place.offset) }
    }

    /// Allocates zeroed memory of the machine's own, in whole pages. It lasts as long as the machine.
    ///
    /// - Throws: `MachineError.outOfSpareMemory` if the file has less left.
    mutating func allocate(_ size: UInt64) throws(MachineError) -> Backing {
        let left = (machineFile?.size ?? 0) - allocated
        guard size <= left else { throw .outOfSpareMemory(asked: size, left: left) }
        // The next allocation begins at a page boundary, or at the end of the file.
        defer { allocated = min((allocated + size + Page.size - 1) / Page.size * Page.size, allocated + left) }
        return Backing(id: Self.machine, offset: allocated)
    }

    /// The host address of each backing's first byte, by id, or 0 where there is no backing.
    package var hostAddresses: [UInt64] {
        [ram.address, machineFile?.address ?? 0] + foreign.map { $0?.reservation.address ?? 0 }
    }

    /// Returns the number of bytes that mappings may show of a backing, or nil if there is no backing with this id.
    func size(of id: Int) -> UInt64? {
        switch id {
        case Self.ram: ram.size
        case Self.machine: allocated
        default: foreignBacking(id)?.size
        }
    }

    /// Throws if a mapping shows memory behind the end of its backing. There a guest would see other memory of this process.
    func check(_ mapping: Mapping) throws(MachineError) {
        let size = size(of: mapping.backing.id)
        guard let size, mapping.backing.offset <= size, mapping.range.size <= size - mapping.backing.offset else {
            throw .backingEnds(mapping, size: size ?? 0)
        }
    }

    /// Returns the machine's own memory with this id, or nil for a foreign backing.
    private func ownMemory(_ id: Int) -> HostMemory? {
        id == Self.ram ? ram : id == Self.machine ? machineFile : nil
    }

    private func foreignBacking(_ id: Int) -> ForeignBacking? {
        let index = id - Self.machine - 1
        return foreign.indices.contains(index) ? foreign[index] : nil
    }

    // MARK: Bytes

    /// Copies bytes into a backing. Returns whether all of them were copied. Foreign memory is written by its descriptor.
    package func write(_ bytes: Span<UInt8>, at place: Backing) -> Bool {
        guard let memory = ownMemory(place.id) else {
            return foreignBacking(place.id)?.memory.withLock { $0?.write(bytes, at: place.offset) } ?? false
        }
        memory.write(bytes, at: place.offset)
        return true
    }

    /// Returns bytes of a backing, or nil if they cannot be read.
    func read(count: Int, at place: Backing) -> [UInt8]? {
        ownMemory(place.id)?.read(count: count, at: place.offset)
            ?? foreignBacking(place.id)?.memory.withLock { $0?.read(count: count, at: place.offset) }
    }

    /// Maps a part of a backing into reserved address space.
    func map(
        _ place: Backing, size: UInt64, into reservation: AddressReservation, at offset: UInt64
    ) throws(HostError) {
        if let memory = ownMemory(place.id) {
            try memory.map(from: place.offset, size: size, into: reservation, at: offset)
        } else {
            try foreignBacking(place.id)?.map(from: place.offset, size: size, into: reservation, at: offset)
        }
    }
}

/// The RAM of a machine, for a device that reads and writes it. Its size is sealed.
public struct SharedRAM: Sendable {
    fileprivate let ram: HostMemory
    /// The file that holds the RAM.
    public let file: SharedDescriptor

    /// The host address of the first byte.
    package var address: UInt64 { ram.address }

    /// Returns the bytes at an offset in the file. They must lie in the file.
    public func read(count: Int, at offset: UInt64) -> [UInt8] { ram.read(count: count, at: offset) }

    /// Writes bytes at an offset in the file. They must lie in the file.
    public func write(_ bytes: Span<UInt8>, at offset: UInt64) { ram.write(bytes, at: offset) }
}

/// A foreign backing with its stable mapping. `MachineConfiguration.add` gives it to a machine.
public final class ForeignBacking: Sendable {
    /// The memory, or nil once it has been given back.
    let memory: Lock<ForeignMemory?>
    var size: UInt64 { reservation.size }
    /// The address space of the stable mapping.
    let reservation: AddressReservation

    /// Makes the stable mapping of foreign memory.
    public init(_ memory: consuming ForeignMemory) throws(HostError) {
        let reservation = try AddressReservation(size: memory.size)
        try memory.map(from: 0, size: memory.size, into: reservation, at: 0)
        self.reservation = reservation
        self.memory = Lock(consume memory)
    }

    func map(
        from start: UInt64, size: UInt64, into reservation: AddressReservation, at offset: UInt64
    ) throws(HostError) {
        try memory.withLock { (memory: inout ForeignMemory?) throws(HostError) in
            try memory?.map(from: start, size: size, into: reservation, at: offset)
        }
    }

    /// Unmaps the memory and gives it back.
    func giveBack() {
        try? reservation.unmap(size: size, at: 0)
        memory.withLock { $0 = nil }
    }
}
