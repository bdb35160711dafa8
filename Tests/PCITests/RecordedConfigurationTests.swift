import Devices
import PCI
import PCISupport
import PropertySupport
import Testing

/// Real functions whose configuration space guests find byte for byte.
@Suite struct RecordedConfigurationTests {
    /// Configuration space that is put together by capabilities, in the order of their links.
    struct Recording {
        var bytes: [UInt8]

        /// A function with an ID, a memory BAR of 64 bits, an I/O BAR, and noise where software finds nothing.
        init(size: Int = 4096) {
            bytes = [UInt8](repeating: 0, count: size)
            set(
                [0x86, 0x80, 0x72, 0x15, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x02, 0x10, 0x40, 0x80, 0x80], at: 0)
            set(
                [0x0c, 0x00, 0x00, 0xf0, 0x3f, 0, 0, 0, 0x01, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], at: 0x10)
            set([0x01, 0xc0, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0x01, 0, 0], at: 0x30)
        }

        mutating func set(_ new: [UInt8], at offset: Int) {
            bytes.replaceSubrange(offset..<offset + new.count, with: new)
        }

        /// Links capabilities in this order.
        mutating func link(_ capabilities: [(id: UInt8, offset: Int, body: [UInt8])]) {
            var from = 0x34
            for (id, offset, body) in capabilities {
                bytes[from] = UInt8(offset)
                set([id, 0] + body, at: offset)
                from = offset + 1
            }
        }

        mutating func link(extended capabilities: [(id: UInt16, offset: Int, body: [UInt8])]) {
            for (index, (id, offset, body)) in capabilities.enumerated() {
                let next = index + 1 < capabilities.count ? capabilities[index + 1].offset : 0
                let header = UInt32(id) | 1 << 16 | UInt32(next) << 20
                set((0..<4).map { UInt8(truncatingIfNeeded: header >> ($0 * 8)) } + body, at: offset)
            }
        }

        func description(asksModel: Bool = false) throws -> FunctionDescription {
            try FunctionDescription(
                recorded: ConfigDump(bytes), sizes: [.bar(0): 0x4000, .bar(2): 0x20, .bar(3): 0, .rom: 0x8000],
                asksModel: asksModel)
        }
    }

    /// A function as network controllers are: its list leads back and forth.
    fileprivate static var controller: Recording {
        var recording = Recording()
        recording.link([
            (0x01, 0x40, [0x23, 0xf8, 0x0b, 0x21, 0, 0]),
            (0x11, 0xa0, [0x7f, 0xc0, 0, 0x10, 0, 0, 0, 0x30, 0, 0]),
            (0x05, 0x50, [0x81, 0x01] + [UInt8](repeating: 0xee, count: 20)),
            (0x10, 0x70, [0x02, 0] + [UInt8](repeating: 0x5a, count: 40)),
            (0x09, 0xe0, [8, 1, 2, 3, 4, 5]),
        ])
        recording.link(extended: [
            (0x01, 0x100, [UInt8](repeating: 3, count: 60)), (0x10, 0x160, [UInt8](repeating: 9, count: 60)),
            (0x0f, 0x150, [1, 2, 3, 4]), (0x0b, 0x200, [7, 7, 0, 1] + [UInt8](repeating: 6, count: 8)),
        ])
        return recording
    }

    private static func bytes(of function: PCIFunction) -> [UInt8] {
        (0..<4096).map { UInt8(truncatingIfNeeded: function.peek(at: $0, width: .byte)) }
    }

    /// The bits of a byte that are live, in a function without MSI and MSI-X.
    private static func liveHeaderBits(at offset: Int) -> UInt8 {
        switch offset {
        case 4, 5, 0xc, 0x10..<0x28, 0x30..<0x34, 0x3c: 0xff
        case 6: 0x08
        case 7: 0xf9
        case 0xe: 0x80
        default: 0
        }
    }

    @Test func guestsFindTheOriginal() throws {
        let recording = Self.controller
        let description = try recording.description()
        let function = try PCIFunction(description, at: .at(4))
        var expected = recording.bytes
        for offset in 0..<0x40 { expected[offset] &= ~Self.liveHeaderBits(at: offset) }
        // The BARs after reset.
        expected[0x10] = 0x0c
        expected[0x18] = 0x01
        // MSI-X and MSI are off, and nobody has written a message.
        expected[0xa3] &= 0x3f
        expected[0x52] &= 0x8e
        expected.replaceSubrange(0x54..<0x5e, with: [2] + [UInt8](repeating: 0, count: 9))
        expected.replaceSubrange(0x64..<0x68, with: [0, 0, 0, 0])
        // The function is awake.
        expected[0x44] = 0x08
        expected[0x45] = 0x20
        // From AER over SR-IOV and ATS to the vendor's.
        expected[0x102] &= 0x0f
        expected[0x103] = 0x20
        let found = Self.bytes(of: function)
        for offset in 0..<4096 where found[offset] != expected[offset] {
            Issue.record("at \(offset): \(found[offset]), not \(expected[offset])")
        }
        #expect(description.bars[0] == BARDescription(kind: .memory64, size: 0x4000, isPrefetchable: true))
        #expect(description.bars[2] == BARDescription(kind: .io, size: 0x20) && description.bars.count == 2)
        #expect(description.romSize == 0x8000 && description.msix?.vectors == 128 && description.msiVectors == 1)
        #expect(
            description.recording?.hidden.map { "\($0)" } == ["SR-IOV at 0x160", "ATS at 0x150"])
    }

    @Test func liveRegistersAreLive() throws {
        var function = try PCIFunction(Self.controller.description(), at: .at(4))
        _ = function.writeSettled(0xffff_ffff, at: 0x10, width: .doubleword)
        #expect(function.peek(at: 0x10, width: .doubleword) == 0xffff_c00c)
        _ = function.writeSettled(0xffff_ffff, at: 0x18, width: .doubleword)
        #expect(function.peek(at: 0x18, width: .doubleword) == 0xffff_ffe1)
        _ = function.writeSettled(0xffff_ffff, at: 0x30, width: .doubleword)
        #expect(function.peek(at: 0x30, width: .doubleword) == 0xffff_8001)
        _ = function.writeSettled(0x55, at: 0x3c, width: .byte)
        #expect(function.peek(at: 0x3c, width: .doubleword) == 0x0155)
        _ = function.writeSettled(0xffff, at: 4, width: .word)
        #expect(function.peek(at: 4, width: .doubleword) == 0x06f7_0407)
        // The power state and device control keep what is written. Everything else is read-only.
        _ = function.writeSettled(0xffff_ffff, at: 0x44, width: .doubleword)
        #expect(function.peek(at: 0x44, width: .doubleword) == 0x210b)
        _ = function.writeSettled(0, at: 0x78, width: .doubleword)
        #expect(function.peek(at: 0x78, width: .doubleword) == 0x5a5a_0000)
        for offset in [UInt64(0), 8, 0x2c, 0x34, 0x70, 0x74, 0x100, 0x160, 0x204, 0xff0] {
            let before = function.peek(at: offset, width: .doubleword)
            _ = function.writeSettled(~before, at: offset, width: .doubleword)
            #expect(function.peek(at: offset, width: .doubleword) == before, "\(offset)")
        }
        function.reset()
        #expect(function.peek(at: 0x10, width: .doubleword) == 0x0c && function.peek(at: 0x44, width: .byte) == 8)
        #expect(function.peek(at: 4, width: .doubleword) == 0x06f7_0000)
        #expect(!function.isMultifunction)
        function.isMultifunction = true
        #expect(function.peek(at: 0xe, width: .byte) == 0x80)
    }

    // MARK: MSI

    /// Every form of MSI sends the message that software wrote, and has nothing else in its registers.
    @Test(arguments: [(false, false), (false, true), (true, false), (true, true)])
    func eachFormOfMSI(form: (isWide: Bool, hasMasks: Bool)) throws {
        var recording = Recording(size: 256)
        let control = UInt8(form.isWide ? 0x80 : 0) | 0x04
        recording.link([(0x05, 0x44, [control, form.hasMasks ? 1 : 0] + [UInt8](repeating: 0xff, count: 20))])
        let data: UInt64 = form.isWide ? 0x50 : 0x4c
        let description = try recording.description()
        var function = try PCIFunction(description, at: .at(4))
        #expect(description.msiVectors == 4)
        #expect(function.peek(at: data + 2, width: .word) == 0xffff, "behind the data nothing is live")
        let behind = form.hasMasks ? data + 12 : data + 4
        #expect(function.peek(at: behind, width: .doubleword) == (behind < 0x5c ? 0xffff_ffff : 0))
        _ = function.writeSettled(0xfee0_1003, at: 0x48, width: .doubleword)
        if form.isWide { _ = function.writeSettled(0x12, at: 0x4c, width: .doubleword) }
        _ = function.writeSettled(0x4047, at: data, width: .word)
        _ = function.writeSettled(0x21, at: 0x46, width: .word)
        #expect(function.raise(vector: 1) == nil, "no bus master")
        #expect(
            form.hasMasks == (function.peek(at: data + 8, width: .doubleword) == 2),
            "the pending bit shows where there is one")
        let message = MSIMessage(address: (form.isWide ? 0x12 << 32 : 0) | 0xfee0_1000, data: 0x4045)
        #expect(function.writeSettled(4, at: 4, width: .word).messages == [message])
        #expect(function.raise(vector: 0)?.data == 0x4044)
        if form.hasMasks {
            _ = function.writeSettled(2, at: data + 4, width: .doubleword)
            #expect(function.raise(vector: 1) == nil)
            #expect(function.writeSettled(0, at: data + 4, width: .doubleword).messages == [message])
        }
        // What pends is forgotten with MSI.
        _ = function.writeSettled(0, at: 4, width: .word)
        #expect(function.raise(vector: 1) == nil)
        _ = function.writeSettled(0x20, at: 0x46, width: .word)
        _ = function.writeSettled(0x21, at: 0x46, width: .word)
        #expect(function.writeSettled(4, at: 4, width: .word).messages.isEmpty)
    }

    // MARK: Hidden capabilities

    @Test func hiddenCapabilityAtTheBeginningLeavesAnEmptyOne() throws {
        var recording = Recording()
        recording.link([(0x14, 0x40, [0, 0])])
        recording.link(extended: [(0x10, 0x100, [1]), (0x1b, 0x140, [1]), (0x03, 0x180, [1])])
        let function = try PCIFunction(recording.description(), at: .at(4))
        #expect(function.peek(at: 0x34, width: .byte) == 0 && function.peek(at: 4, width: .doubleword) == 0x06e7_0000)
        #expect(function.peek(at: 0x100, width: .doubleword) == 0x1800_0000)
        #expect(function.description.recording?.hidden.count == 3)
        recording.link(extended: [(0x10, 0x100, [1])])
        #expect(try PCIFunction(recording.description(), at: .at(4)).peek(at: 0x100, width: .doubleword) == 0)
    }

    @Test func modelAnswersForWhatIsItsOwn() throws {
        struct Model: FunctionModel {
            let description: FunctionDescription
            mutating func readConfiguration(at offset: UInt64, width: AccessWidth) -> UInt64 { 0xabab_abab }
        }
        let description = try Self.controller.description(asksModel: true)
        var function = try PCIFunction(Model(description: description), at: .at(4))
        #expect(function.read(at: 0xe0, width: .doubleword) == 0xab08_0009)
        #expect(function.read(at: 0xe4, width: .doubleword) == 0xabab_abab)
        #expect(function.read(at: 0xe8, width: .doubleword) == 0)
        #expect(function.read(at: 0x208, width: .doubleword) == 0xabab_abab)
        #expect(function.read(at: 0x204, width: .doubleword) == 0x0100_0707)
        #expect(function.read(at: 0x210, width: .doubleword) == 0)
    }

    // MARK: Foreign bytes

    @Test func whatIsNoFunctionIsRefused() throws {
        for count in [0, 64, 255, 257, 4095] {
            #expect(throws: DescriptionError.recordedBytes(count)) {
                try FunctionDescription(recorded: ConfigDump([UInt8](repeating: 0, count: count)), sizes: [:])
            }
        }
        var bridge = Recording()
        bridge.bytes[0xe] = 0x81
        #expect(throws: DescriptionError.recordedHeader(0x81)) { try bridge.description() }
        var gone = Recording()
        gone.bytes = [UInt8](repeating: 0xff, count: 4096)
        #expect(throws: DescriptionError.recordedHeader(0xff)) { try gone.description() }
        #expect(throws: DescriptionError.tooLarge(.bar(2), size: 0x2000, maximum: 256)) {
            try FunctionDescription(recorded: ConfigDump(Recording().bytes), sizes: [.bar(2): 0x2000])
        }
        let tooLarge: [UInt64] = [.max, 1 << 63, 1 << 52 + 1]
        for size in tooLarge {
            let sizes: [BaseAddressRegister: UInt64] = [.bar(0): size]
            #expect((try? FunctionDescription(recorded: ConfigDump(Recording().bytes), sizes: sizes)) == nil)
        }
    }

    @Test func sizesThatNoRegisterHasAreRoundedUp() throws {
        let sizes: [BaseAddressRegister: UInt64] = [.bar(0): 8, .bar(2): 3, .bar(4): 0x3000, .rom: 1]
        let description = try FunctionDescription(recorded: ConfigDump(Recording().bytes), sizes: sizes)
        #expect(description.bars.mapValues(\.size) == [0: 16, 2: 4, 4: 0x4000] && description.romSize == 2048)
    }

    /// Any bytes make a function or an error, and guests find what does not change when they write.
    @Test(arguments: propertySeeds)
    func anyBytesAreSafe(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var made = 0
        for round in 0..<200 {
            var recording = round % 2 == 0 ? Self.controller : Recording(size: random.next() % 2 == 0 ? 256 : 4096)
            for _ in 0..<random.next() % 40 {
                let isInLists = random.next() % 2 == 0
                let offset = Int(random.next() % (isInLists ? 0x120 : UInt64(recording.bytes.count)))
                guard offset != 0xe, offset < recording.bytes.count else { continue }
                recording.bytes[offset] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let description = try? recording.description(asksModel: random.next() % 2 == 0),
                var function = try? PCIFunction(description, at: .at(4))
            else { continue }
            made += 1
            for _ in 0..<50 {
                let width = [AccessWidth.byte, .word, .doubleword].randomElement(using: &random) ?? .byte
                let offset = random.next() % 0x1000 & ~UInt64(width.rawValue - 1)
                _ = function.writeSettled(random.next(), at: offset, width: width)
                _ = function.raise(vector: random.next() % 40)
            }
            function.reset()
            let fresh = try PCIFunction(description, at: .at(4))
            #expect(Self.bytes(of: function) == Self.bytes(of: fresh), "seed \(seed), round \(round)")
        }
        #expect(made > 20, "seed \(seed)")
    }
}

extension RecordedConfigurationTests {
    // MARK: From what a device gives

    @Test func describesADevice() throws {
        var record = DeviceRecord(
            regions: [
                .bar0: .init(size: 0x8000, areas: [0x1000..<0x3000, 0x4000..<0x4800]),
                .bar2: .init(size: 0x20), .rom: .init(size: 0x800), .configuration: .init(size: 4096),
            ],
            interrupts: [.msix: .init(count: 128, traits: .eventfd)], configuration: Self.controller.bytes)
        var description = try record.functionDescription()
        #expect(description.bars[0]?.registers == [0..<0x1000, 0x3000..<0x4000, 0x4800..<0x8000])
        #expect(
            description.pieces(of: .bar(0)).filter { $0.kind == .mapped }.map(\.offsets) == [0x2000..<0x3000],
            "the MSI-X table lies in the first page, and a part of a page cannot be mapped")
        #expect(description.bars[2]?.registers == [] && description.romSize == 0x800)
        #expect(description.msix?.vectors == 128 && description.msiVectors == nil)
        #expect(try PCIFunction(description, at: .at(4)).peek(at: 0x3d, width: .byte) == 0)
        record.interrupts = [.intx: .init(count: 1, traits: .eventfd), .msi: .init(count: 1, traits: .eventfd)]
        description = try record.functionDescription()
        #expect(description.msix == nil && description.msiVectors == 1)
        #expect(try PCIFunction(description, at: .at(4)).peek(at: 0x3d, width: .byte) == 1)
        let hidden = try record.functionDescription(hiding: []).recording?.hidden ?? []
        #expect(hidden.map(\.kind) == [CapabilityKind(id: 0x11)])
    }
}
