package import Host
package import KVM
package import Memslots
internal import SystemPackage

/// Puts slots into KVM and pieces into host windows; owns the virtual machine and the memory behind its guest.
package struct KVMSlotInstaller: SlotInstaller, ~Copyable {
    let vm: VirtualMachine
    /// All guest memory, mapped once: backing 0.
    package var file: MappedFile
    package let windows: HostWindows
    /// The vCPUs that have to be out of the guest while slots change, once they run.
    var vcpus: [VCPU] = []
    let parking: Parking
    /// Whether the vCPUs are parked at all.
    var parksVCPUs = true

    init(vm: consuming VirtualMachine, file: consuming MappedFile, windows: consuming HostWindows, parking: Parking) {
        self.vm = vm
        self.file = file
        self.windows = windows
        self.parking = parking
    }

    /// For a machine whose vCPUs, if it has any, are outside the guest whenever slots change.
    package init(vm: consuming VirtualMachine, file: consuming MappedFile, windows: consuming HostWindows) {
        self.init(vm: vm, file: file, windows: windows, parking: Parking())
    }

    package func park() {
        if parksVCPUs { parking.park(vcpus) }
    }

    package func resume() {
        if parksVCPUs { parking.resume(vcpus) }
    }

    package func set(_ request: SlotRequest) throws(SlotErrno) {
        let errno = vm.setMemoryRegion(
            slot: request.slot, flags: request.flags, guestAddress: request.guestAddress, size: request.size,
            hostAddress: request.hostAddress)
        guard errno == 0 else { throw SlotErrno(rawValue: errno) }
    }

    package func place(_ piece: WindowPiece) throws(SlotErrno) {
        do { try windows.place(piece, of: file.file) } catch { throw SlotErrno(rawValue: error.errno.rawValue) }
    }

    package func clear(_ piece: WindowPiece) throws(SlotErrno) {
        do { try windows.clear(piece) } catch { throw SlotErrno(rawValue: error.errno.rawValue) }
    }

    package func takeDirtyLog(of slot: Memslot) throws(SlotErrno) -> [UInt64] {
        var bitmap: [UInt64] = []
        let errno = vm.getDirtyLog(slot: UInt32(slot.id), pages: Int(slot.pages), into: &bitmap)
        guard errno == 0 else { throw SlotErrno(rawValue: errno) }
        return bitmap
    }
}

/// Reserved host address space for each guest aperture, so that neighbours in the guest can be neighbours in the host.
package struct HostWindows: ~Copyable, Sendable {
    private let low: AddressReservation?
    private let high: AddressReservation?
    /// The same as values, for the placement of mappings.
    package let windows: [HostWindow]

    /// No windows: nothing is coalesced.
    package init() {
        low = nil
        high = nil
        windows = []
    }

    /// Windows for the aperture below 4 GiB and, where there is one, the one above.
    package init(low: GuestRange, high: GuestRange?) throws(HostError) {
        let lowReservation = try AddressReservation(size: low.size)
        var windows = [HostWindow(aperture: low, host: lowReservation.address)]
        var highReservation: AddressReservation?
        if let high {
            let reservation = try AddressReservation(size: high.size)
            windows.append(HostWindow(aperture: high, host: reservation.address))
            highReservation = consume reservation
        }
        self.windows = windows
        self.low = consume lowReservation
        self.high = highReservation
    }

    func place(_ piece: WindowPiece, of file: borrowing MemoryFile) throws(HostError) {
        let offset = piece.backing.offset
        if let offsetInLow = low?.offset(of: piece.host) {
            try low?.map(file, from: offset, size: piece.size, at: offsetInLow)
        } else if let offsetInHigh = high?.offset(of: piece.host) {
            try high?.map(file, from: offset, size: piece.size, at: offsetInHigh)
        }
    }

    func clear(_ piece: WindowPiece) throws(HostError) {
        if let offsetInLow = low?.offset(of: piece.host) {
            try low?.unmap(size: piece.size, at: offsetInLow)
        } else if let offsetInHigh = high?.offset(of: piece.host) {
            try high?.unmap(size: piece.size, at: offsetInHigh)
        }
    }
}
