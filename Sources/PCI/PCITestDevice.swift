public import Devices
internal import Memslots

/// The PCI test device (QEMU, docs/specs/pci-testdev), which lets a guest compare ways to write to a device.
///
/// A memory BAR and an I/O BAR show the same header. The guest chooses one of the BAR's tests by its number. Then the guest writes
/// the data that the header names at the offset that the header names, in the same BAR. The header counts such writes. The tests
/// differ in who takes the write: the monitor, or KVM itself by ioeventfd. KVM takes writes of any data, or only of the right data.
public struct PCITestDevice: FunctionModel {
    /// The way in which the writes of a test are counted.
    enum Notification: String, CaseIterable {
        /// Each write exits to the monitor.
        case none = "no-eventfd"
        /// KVM takes the writes, whatever their data.
        case wildcard = "wildcard-eventfd"
        /// KVM takes the writes with the right data.
        case dataMatch = "datamatch-eventfd"
    }

    private struct Test {
        let number: UInt8
        let register: BaseAddressRegister
        let notification: Notification
        let offset: UInt64
        /// The byte that the guest is to write.
        let data: UInt8
        /// The header as the guest reads it, with a count of zero.
        let header: [UInt8]

        /// The width of each write in bytes.
        static let width: UInt8 = 1

        /// Whether only writes of `data` count.
        var matches: Bool { notification != .wildcard }

        init(_ index: Int, of register: BaseAddressRegister) {
            let isPort = register == PCITestDevice.portBAR
            number = UInt8(index + (isPort ? Notification.allCases.count : 0))
            self.register = register
            notification = Notification.allCases[index]
            offset = (isPort ? PCITestDevice.portSize : PCITestDevice.memorySize) / 2 + UInt64(number)
            data = notification == .wildcard ? 0xce : 0xfa
            let name = (isPort ? "portio-" : "mmio-") + notification.rawValue
            header =
                [number, Self.width, 0, 0] + littleEndian(offset, 4) + [data, 0, 0, 0] + [0, 0, 0, 0] + Array(name.utf8)
                + [0]
        }
    }

    /// The BAR that shows the header among the ports. BAR 0 shows it in memory.
    static let portBAR = BaseAddressRegister.bar(1)
    static let memorySize: UInt64 = 4096
    static let portSize: UInt64 = 256
    /// The offset of the count of writes in the header.
    private static let countOffset: UInt64 = 12

    private var test: Test?
    private var count: UInt32 = 0

    /// Creates the device with no test chosen.
    public init() {}

    /// A memory BAR and an I/O BAR, which trap everywhere.
    public var description: FunctionDescription { .testDevice }

    /// The write of the present test, if KVM is to take it.
    public var events: [FunctionEvent] {
        guard let test, test.notification != .none else { return [] }
        let match = test.notification == .dataMatch ? UInt64(test.data) : nil
        return [FunctionEvent(register: test.register, offset: test.offset, size: UInt32(Test.width), match: match)]
    }

    /// Adds the writes that KVM has taken to the count in the header.
    public mutating func add(count: UInt64, of event: FunctionEvent) {
        self.count &+= UInt32(truncatingIfNeeded: count)
    }

    /// Ends the present test.
    public mutating func reset() {
        self = PCITestDevice()
    }

    /// Reads the header of the present test, through either BAR. Without a test all bytes are zero, and so are the bytes after the
    /// header.
    public func read(_ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth) -> UInt64 {
        guard let test else { return 0 }
        var value: UInt64 = 0
        for lane in (0..<UInt64(width.rawValue)).reversed() {
            value = value << 8 | UInt64(byte(at: offset &+ lane, of: test))
        }
        return value
    }

    private func byte(at offset: UInt64, of test: Test) -> UInt8 {
        if offset >= Self.countOffset, offset < Self.countOffset + 4 {
            return UInt8(truncatingIfNeeded: count >> UInt32((offset - Self.countOffset) * 8))
        }
        return offset < UInt64(test.header.count) ? test.header[Int(offset)] : 0
    }

    /// Takes a write byte by byte, as the device does. A write of the header's first byte starts a test. The write that the test
    /// asks for is counted.
    public mutating func write(
        _ value: UInt64, _ register: BaseAddressRegister, at offset: UInt64, width: AccessWidth
    ) -> FunctionEffects {
        var changesEvents = false
        for lane in 0..<UInt64(width.rawValue) {
            let byte = UInt8(truncatingIfNeeded: value >> (8 * lane))
            let offset = offset &+ lane
            if offset == 0 {
                start(byte, of: register)
                changesEvents = true
            } else if let test, test.register == register, test.offset == offset, !test.matches || byte == test.data {
                count &+= 1
            }
        }
        return FunctionEffects(changesEvents: changesEvents)
    }

    /// Starts a test with a count of zero. A number that the BAR does not have ends the present test.
    private mutating func start(_ index: UInt8, of register: BaseAddressRegister) {
        count = 0
        test = Int(index) < Notification.allCases.count ? Test(Int(index), of: register) : nil
    }
}

extension FunctionDescription {
    fileprivate static let testDevice = FunctionDescription(
        vendorID: 0x1b36, deviceID: 0x0005, classCode: 0x00ff00,
        bars: [
            0: BARDescription(
                kind: .memory32, size: PCITestDevice.memorySize, registers: [0..<PCITestDevice.memorySize]),
            1: BARDescription(kind: .io, size: PCITestDevice.portSize),
        ])
}
