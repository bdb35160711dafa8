import Devices

/// A device that remembers its last access and answers with a value and effects that the test chose.
final class RecordingDevice: Device {
    struct Access: Equatable {
        var offset: UInt64
        var width: AccessWidth
        /// Nil for a read.
        var value: UInt64?
    }

    var reply: DeviceReply
    private(set) var last: Access?

    init(_ value: UInt64 = 0, effects: DeviceEffects = .none) {
        reply = DeviceReply(value, effects: effects)
    }

    func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        last = Access(offset: offset, width: width)
        return reply
    }

    func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        last = Access(offset: offset, width: width, value: value)
        return reply.effects
    }
}
