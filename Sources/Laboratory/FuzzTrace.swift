internal import Memslots

/// The operations that led to a divergence, shrunk to as few as possible. A trace is saved to a file that can be replayed or
/// sent to others.
public struct FuzzTrace: Codable, Sendable {
    /// The formats of traces that this version can read.
    private enum Format: String, Codable {
        case first = "swiftlet fuzz trace 1"
    }

    private var format = Format.first
    /// The seed of the run that found the divergence.
    public let seed: UInt64
    /// The predicted and the real answer, in words.
    public let divergence: String?
    /// The operations, in order.
    public let operations: [FuzzOperation]
    /// The features of newer kernels that the machine used. Nil in traces from versions that did not write it.
    public let features: Set<FuzzFeature>?

    init(seed: UInt64, divergence: String, operations: [FuzzOperation], features: Set<FuzzFeature>) {
        (self.seed, self.divergence, self.operations) = (seed, divergence, operations)
        self.features = features
    }
}

/// A request is written as `{"slot": 1, "flags": 0, "guestAddress": "0x1000", "size": "0x2000", "memoryOffset": "0x0"}`.
/// `hostAddress` stands in the place of `memoryOffset` if the host address is not in the machine's memory.
/// `"guestMemory": "own"` and `"guestMemoryOffset"` are added for KVM_SET_USER_MEMORY_REGION2.
/// A read is written as `{"read": "0x1000"}`.
extension FuzzOperation: Codable {
    private enum Key: String, CodingKey {
        case slot, flags, guestAddress, size, memoryOffset, hostAddress, guestMemory, guestMemoryOffset, read
    }

    public func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        switch self {
        case .read(let address):
            try object.encode(hexadecimal(address.rawValue), forKey: .read)
        case .request(let request):
            try object.encode(request.slot, forKey: .slot)
            try object.encode(request.flags, forKey: .flags)
            try object.encode(hexadecimal(request.guestAddress), forKey: .guestAddress)
            try object.encode(hexadecimal(request.size), forKey: .size)
            switch request.host {
            case .memory(let offset): try object.encode(hexadecimal(offset), forKey: .memoryOffset)
            case .absolute(let address): try object.encode(hexadecimal(address), forKey: .hostAddress)
            }
            if let place = request.guestMemory {
                try object.encode(place.file, forKey: .guestMemory)
                try object.encode(hexadecimal(place.offset), forKey: .guestMemoryOffset)
            }
        }
    }

    public init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: Key.self)
        func number(_ key: Key) throws -> UInt64 {
            let text = try object.decode(String.self, forKey: key)
            guard text.hasPrefix("0x"), let number = UInt64(text.dropFirst(2), radix: 16) else {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: object, debugDescription: "`\(text)` is no hexadecimal number, such as \"0x1000\"")
            }
            return number
        }
        if object.contains(.read) {
            let address = try number(.read)
            guard address % 4 == 0 && address < BareMachine.codeAddress.rawValue else {
                throw DecodingError.dataCorruptedError(
                    forKey: .read, in: object,
                    debugDescription: "the guest reads whole words below its code at 0xfffff000")
            }
            self = .read(GuestAddress(address))
            return
        }
        self = .request(
            FuzzRequest(
                slot: try object.decode(UInt32.self, forKey: .slot),
                flags: try object.decode(UInt32.self, forKey: .flags),
                guestAddress: try number(.guestAddress), size: try number(.size),
                host: object.contains(.hostAddress)
                    ? .absolute(try number(.hostAddress)) : .memory(try number(.memoryOffset)),
                guestMemory: try object.decodeIfPresent(GuestMemfdPlace.File.self, forKey: .guestMemory).map {
                    GuestMemfdPlace(file: $0, offset: try number(.guestMemoryOffset))
                }))
    }
}
