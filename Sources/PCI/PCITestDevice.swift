public import Devices

/// The PCI test device (QEMU, docs/specs/pci-testdev): lets a guest compare ways to write to a device.
///
/// Behind a memory BAR and a port BAR lies the same header. The guest chooses a test by number, of those that the BAR has, then
/// writes some data at some offset in that BAR, as the header says, and finds in the header how many such writes there were. What
/// the tests differ in is who takes the write: the monitor, or KVM itself, by ioeventfd, for any data or for the right one.
public struct PCITestDevice: FunctionModel {
    /// How a test's writes are counted.
    enum Notification: String, CaseIterable {
        /// Each exits to the monitor.
        case none = "no-eventfd"
        /// KVM takes them, whatever the data.
        case wildcard = "wildcard-eventfd"
        /// KVM takes those with the right data.
        case dataMatch = "datamatch-eventfd"
    }

    private struct Test {
        let number: UInt8
        let register: BaseAddressRegister
        let notification: Notification
        let offset: UInt64
        /// What is to be written.
        let data: UInt8
        let header: [UInt8]

        /// All writes are bytes.
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
            let offsetBytes = (0..<4).map { [offset] in UInt8(truncatingIfNeeded: offset >> ($0 * 8)) }
            header =
                [number, Self.width, 0, 0] + offsetBytes + [data, 0, 0, 0] + [0, 0, 0, 0] + Array(name.utf8) + [0]
        }
    }

    /// Where its header is among the ports; BAR 0 has it in memory.
    static let portBAR = BaseAddressRegister.bar(1)
    static let memorySize: UInt64 = 4096
    static let portSize: UInt64 = 256
    /// Where the header has its count of writes.
    private static let countOffset: UInt64 = 12

    private var test: Test?
    private var count: UInt32 = 0

    public init() {}

    public var description: FunctionDescription { .testDevice }

    /// The write that the present test is about, unless it is to exit.
    public var events: [FunctionEvent] {
        guard let test, test.notification != .none else { return [] }
        let match = test.notification == .dataMatch ? UInt64(test.data) : nil
        return [FunctionEvent(register: test.register, offset: test.offset, size: UInt32(Test.width), match: match)]
    }

    public mutating func add(count: UInt64, of event: FunctionEvent) {
        self.count &+= UInt32(truncatingIfNeeded: count)
    }

    public mutating func reset() {
        self = PCITestDevice()
    }

    /// The header of the present test, through either BAR; zeros without one, and behind it.
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

    /// Takes a write byte by byte, as the device does: the first byte of the header starts a test, and what the test asks for is
    /// counted.
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

    /// Starts a test from the beginning; a number that the BAR does not have ends the present one.
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
