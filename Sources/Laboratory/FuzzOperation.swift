public import Memslots

/// One operation of the fuzzer.
public enum FuzzOperation: Hashable, Sendable {
    /// A request that asks KVM for a change of slots.
    case request(FuzzRequest)
    /// A read of the word at an address by the guest.
    case read(GuestAddress)
}

/// A request to KVM for a change of a slot. It is the same in every process: host addresses in the machine's memory are given
/// as offsets.
public struct FuzzRequest: Hashable, Sendable {
    /// The host address of a slot.
    public enum Host: Hashable, Sendable {
        /// An offset in the machine's memory, in bytes.
        case memory(UInt64)
        /// A fixed host address, outside the machine's memory.
        case absolute(UInt64)
    }

    /// The slot's id, with the address space in the upper 16 bits.
    public var slot: UInt32
    /// The slot's flags, as KVM takes them.
    public var flags: UInt32 = 0
    /// The first guest-physical address of the slot.
    public var guestAddress: UInt64
    /// The size in bytes. 0 deletes the slot.
    public var size: UInt64
    /// The host memory behind the slot.
    public var host: Host
    /// The place in a guest_memfd that KVM_SET_USER_MEMORY_REGION2 names. Nil for a request by KVM_SET_USER_MEMORY_REGION.
    public var guestMemory: GuestMemfdPlace?
}

extension FuzzRequest {
    /// Makes the request that gives KVM the slot `slot` as it is, in a machine whose memory lies at `base`.
    init(holding slot: Memslot, base: UInt64) {
        let offset = slot.host &- base
        self.init(
            slot: UInt32(slot.id), flags: slot.flags.rawValue, guestAddress: slot.range.first.rawValue,
            size: slot.range.size, host: offset < FuzzMemory.size ? .memory(offset) : .absolute(slot.host))
    }

    /// Returns the request as KVM takes it, for a machine whose memory lies at `base`.
    func request(base: UInt64) -> SlotRequest {
        let address =
            switch host {
            case .memory(let offset): base &+ offset
            case .absolute(let address): address
            }
        return SlotRequest(slot: slot, flags: flags, guestAddress: guestAddress, size: size, hostAddress: address)
    }
}

extension FuzzOperation: CustomStringConvertible {
    public var description: String {
        switch self {
        case .request(let request): "\(request)"
        case .read(let address): "read at \(address)"
        }
    }
}

extension FuzzRequest: CustomStringConvertible {
    public var description: String {
        let place =
            switch host {
            case .memory(let offset): "memory + \(hexadecimal(offset))"
            case .absolute(let address): hexadecimal(address)
            }
        let space = slot >> 16 == 0 ? "" : " of address space \(slot >> 16)"
        return
            "slot \(slot & 0xffff)\(space), guest \(hexadecimal(guestAddress)), size \(hexadecimal(size)), host \(place), "
            + "flags \(flags)"
            + (guestMemory.map { ", by REGION2 with guest_memfd (\($0.file.rawValue)) + \(hexadecimal($0.offset))" }
                ?? "")
    }
}
