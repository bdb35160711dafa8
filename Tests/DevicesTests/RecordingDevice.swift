import Devices
import Synchronization

/// A device that remembers its last access and answers with a value and effects that the test chose.
final class RecordingDevice: Device {
    struct Access: Equatable {
        var offset: UInt64
        var width: AccessWidth
        /// Nil for a read.
        var value: UInt64?
    }

    private let reply: DeviceReply
    private let access = Mutex<Access?>(nil)

    init(_ value: UInt64 = 0, effects: DeviceEffects = .none) {
        reply = DeviceReply(value, effects: effects)
    }

    var last: Access? { access.withLock { $0 } }

    func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        access.withLock { $0 = Access(offset: offset, width: width) }
        return reply
    }

    func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects {
        access.withLock { $0 = Access(offset: offset, width: width, value: value) }
        return reply.effects
    }
}

/// A bus with devices on it, as a vCPU has them: what nobody answers reads as ones, and is counted.
struct BusWithDevices {
    private var bus: Bus
    private var devices: [any Device] = []
    private(set) var unclaimedReads: UInt64 = 0
    private(set) var unclaimedWrites: UInt64 = 0

    init(name: String) {
        bus = Bus(name: name)
    }

    mutating func attach(_ device: any Device, at first: UInt64, size: UInt64) throws(BusError) {
        let number = try bus.attach(at: first, size: size)
        precondition(number == devices.count, "devices are numbered in the order in which they come")
        devices.append(device)
    }

    mutating func read(at address: UInt64, width: AccessWidth) -> DeviceReply {
        guard let hit = bus.find(at: address, width: width) else {
            unclaimedReads += 1
            return DeviceReply(width.allOnes)
        }
        var reply = devices[hit.device].read(at: hit.offset, width: width)
        reply.value = width.mask(reply.value)
        return reply
    }

    mutating func write(_ value: UInt64, at address: UInt64, width: AccessWidth) -> DeviceEffects {
        guard let hit = bus.find(at: address, width: width) else {
            unclaimedWrites += 1
            return .none
        }
        return devices[hit.device].write(width.mask(value), at: hit.offset, width: width)
    }
}
