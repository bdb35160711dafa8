public import Memslots

/// One step of the fuzzer.
public enum FuzzOperation: Hashable, Sendable {
    /// Asks KVM for a change.
    case request(FuzzRequest)
    /// Lets the guest read the first word of a page.
    case read(GuestAddress)
}

/// A request to KVM whose host address is the same in every process.
public struct FuzzRequest: Hashable, Sendable {
    public enum Host: Hashable, Sendable {
        /// An offset in the machine's memory, in bytes.
        case memory(UInt64)
        case absolute(UInt64)
    }

    public var slot: UInt32
    public var flags: UInt32 = 0
    public var guestAddress: UInt64
    public var size: UInt64
    public var host: Host
    /// What KVM_SET_USER_MEMORY_REGION2 is told about guest memory; nil for a request by KVM_SET_USER_MEMORY_REGION.
    public var guestMemory: GuestMemoryPlace?
}

extension FuzzRequest {
    /// Makes the request after which KVM holds `slot`, in a machine whose memory lies at `base`.
    init(holding slot: Memslot, base: UInt64) {
        let offset = slot.host &- base
        self.init(
            slot: UInt32(slot.id), flags: slot.flags.rawValue, guestAddress: slot.range.first.rawValue,
            size: slot.range.size, host: offset < FuzzMemory.size ? .memory(offset) : .absolute(slot.host))
    }

    /// Gives the request for a machine whose memory lies at `base`.
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
