import Devices
import Testing

@Suite final class BusTests {
    private var bus = BusWithDevices(name: "ports")

    @Test func readReachesTheDeviceWithItsOffset() throws {
        let device = RecordingDevice(0x42)
        try bus.attach(device, at: 0x100, size: 8)
        #expect(bus.read(at: 0x103, width: .word) == DeviceReply(0x42))
        #expect(device.last == RecordingDevice.Access(offset: 3, width: .word))
    }

    @Test func writeReachesTheDeviceWithItsOffset() throws {
        let device = RecordingDevice(effects: DeviceEffects(exitStatus: 7))
        try bus.attach(device, at: 0x100, size: 8)
        #expect(bus.write(0x1234, at: 0x106, width: .word) == DeviceEffects(exitStatus: 7))
        #expect(device.last == RecordingDevice.Access(offset: 6, width: .word, value: 0x1234))
    }

    @Test(arguments: AccessWidth.allCases)
    func valuesAreMaskedToTheWidth(width: AccessWidth) throws {
        let device = RecordingDevice(.max)
        try bus.attach(device, at: 0, size: 8)
        #expect(bus.read(at: 0, width: width).value == width.allOnes)
        _ = bus.write(.max, at: 0, width: width)
        #expect(device.last?.value == width.allOnes)
    }

    @Test(arguments: AccessWidth.allCases)
    func readOfNobodyGivesAllOnesAndIsCounted(width: AccessWidth) {
        #expect(bus.read(at: 0x80, width: width) == DeviceReply(width.allOnes))
        #expect(bus.unclaimedReads == 1)
        #expect(bus.unclaimedWrites == 0)
    }

    @Test func writeToNobodyIsDroppedAndCounted() {
        #expect(bus.write(1, at: 0x80, width: .byte) == .none)
        #expect(bus.unclaimedReads == 0)
        #expect(bus.unclaimedWrites == 1)
    }

    @Test func claimedAccessesAreNotCounted() throws {
        try bus.attach(RecordingDevice(), at: 0, size: 1)
        _ = bus.read(at: 0, width: .byte)
        _ = bus.write(0, at: 0, width: .byte)
        #expect(bus.unclaimedReads == 0)
        #expect(bus.unclaimedWrites == 0)
    }

    @Test func accessPastTheEndBelongsToNobody() throws {
        let device = RecordingDevice()
        try bus.attach(device, at: 0x100, size: 4)
        #expect(bus.read(at: 0x103, width: .word).value == 0xffff)
        #expect(device.last == nil)
    }

    @Test func accessFromBelowTheStartBelongsToNobody() throws {
        let device = RecordingDevice()
        try bus.attach(device, at: 0x100, size: 4)
        #expect(bus.read(at: 0xff, width: .word).value == 0xffff)
        #expect(device.last == nil)
    }

    @Test func adjacentDevicesKeepApart() throws {
        let low = RecordingDevice(1)
        let high = RecordingDevice(2)
        try bus.attach(high, at: 0x104, size: 4)
        try bus.attach(low, at: 0x100, size: 4)
        #expect(bus.read(at: 0x103, width: .byte).value == 1)
        #expect(bus.read(at: 0x104, width: .byte).value == 2)
    }

    @Test func accessAcrossAdjacentDevicesBelongsToNobody() throws {
        let low = RecordingDevice(1)
        let high = RecordingDevice(2)
        try bus.attach(low, at: 0x100, size: 4)
        try bus.attach(high, at: 0x104, size: 4)
        #expect(bus.read(at: 0x102, width: .doubleword).value == 0xffff_ffff)
        #expect(low.last == nil)
        #expect(high.last == nil)
    }

    @Test func lastPortIsReached() throws {
        try bus.attach(RecordingDevice(5), at: 0xffff, size: 1)
        #expect(bus.read(at: 0xffff, width: .byte).value == 5)
        #expect(bus.read(at: 0xffff, width: .word).value == 0xffff)
    }

    @Test func accessThatWrapsBelongsToNobody() throws {
        try bus.attach(RecordingDevice(5), at: .max, size: 1)
        try bus.attach(RecordingDevice(6), at: 0, size: 8)
        #expect(bus.read(at: .max, width: .byte).value == 5)
        #expect(bus.read(at: .max, width: .quadword).value == .max)
        #expect(bus.read(at: .max - 3, width: .quadword).value == .max)
    }

    @Test func emptyRangeIsRefused() {
        #expect(throws: BusError.empty(bus: "ports", first: 0x60)) {
            try bus.attach(RecordingDevice(), at: 0x60, size: 0)
        }
    }

    @Test func wrappingRangeIsRefused() {
        #expect(throws: BusError.wraps(bus: "ports", first: .max, size: 2)) {
            try bus.attach(RecordingDevice(), at: .max, size: 2)
        }
    }

    @Test func overlapNamesBothRanges() throws {
        try bus.attach(RecordingDevice(), at: 0x60, size: 5)
        let error = try #require(throws: BusError.self) {
            try bus.attach(RecordingDevice(), at: 0x64, size: 2)
        }
        #expect(error == .overlaps(bus: "ports", range: 0x64...0x65, taken: 0x60...0x64))
        #expect(error.description == "ports: 0x64-0x65 overlaps 0x60-0x64, which another device has")
    }

    @Test func overlapFromBelowIsRefused() throws {
        try bus.attach(RecordingDevice(), at: 0x60, size: 5)
        #expect(throws: BusError.overlaps(bus: "ports", range: 0x5f...0x60, taken: 0x60...0x64)) {
            try bus.attach(RecordingDevice(), at: 0x5f, size: 2)
        }
    }

    @Test func refusedDeviceIsNotAttached() throws {
        try bus.attach(RecordingDevice(1), at: 0x60, size: 1)
        #expect(throws: BusError.self) { try bus.attach(RecordingDevice(2), at: 0x60, size: 4) }
        #expect(bus.read(at: 0x60, width: .byte).value == 1)
        #expect(bus.read(at: 0x61, width: .byte).value == 0xff)
    }
}
