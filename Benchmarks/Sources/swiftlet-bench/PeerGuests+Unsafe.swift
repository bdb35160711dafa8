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
