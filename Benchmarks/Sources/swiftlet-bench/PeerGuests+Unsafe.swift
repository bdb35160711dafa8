internal import PeerGuests

extension PeerMachine.Guest {
    /// The guest's ROM image.
    var image: [UInt8] {
        // SAFETY: each image has this size and is never written to.
        switch self {
        case .hello: unsafe Array(UnsafeBufferPointer(start: peer_hello_image(), count: Int(PEER_IMAGE_SIZE)))
        case .bars: unsafe Array(UnsafeBufferPointer(start: peer_bars_image(), count: Int(PEER_IMAGE_SIZE)))
        }
    }
}

extension TinyGuest {
    /// Returns a guest with several vCPUs that read ports. The port of each vCPU is `stride` above that of the vCPU before it.
    static func reads(_ count: Int, vcpus: Int, stride: Int) -> [UInt8] {
        // SAFETY: the image has this size and is never written to.
        var image = unsafe Array(UnsafeBufferPointer(start: peer_vcpus_image(), count: Int(PEER_VCPUS_SIZE)))
        for (number, value) in [count, vcpus, stride].enumerated() {
            let first = Int(PEER_VCPUS_PARAMETERS) + 4 * number
            image.replaceSubrange(first..<first + 4, with: (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
        }
        return image
    }
}
