import PCI
import Testing

/// Capabilities that cannot be: each is refused with an error that says which and why.
@Suite struct CapabilityErrorTests {
    private static func error(_ change: (inout FunctionDescription) -> Void) -> DescriptionError? {
        do throws(DescriptionError) {
            try FunctionDescription.rich.with(change).validate()
            return nil
        } catch { return error }
    }

    private static func error(_ capabilities: CapabilityDescription...) -> DescriptionError? {
        error { $0.capabilities = capabilities }
    }

    @Test(arguments: [0, 0x3c, 0x42, 0x81, 0x100, 0x104, 0xffc, 0x1000, .max - 3, .max] as [UInt64])
    func standardCapabilityLiesBetween0x40And0xff(offset: UInt64) {
        #expect(Self.error(CapabilityDescription(id: 9, offset: offset)) == .capabilityOutside(id: 9, offset: offset))
    }

    @Test(arguments: [0, 0x40, 0xfc, 0x102, 0xffe, 0x1000, .max - 3, .max] as [UInt64])
    func extendedCapabilityLiesBetween0x100And0xfff(offset: UInt64) {
        let capability = CapabilityDescription(id: 0xb, offset: offset, version: 1)
        #expect(Self.error(capability) == .capabilityOutside(id: 0xb, offset: offset))
    }

    @Test(arguments: [(0xfc, nil, 2), (0xf0, nil, 14), (0xffc, 1, 0), (0x100, 1, 0xefc)] as [(UInt64, UInt8?, Int)])
    func bodyEndsWhereItsPartEnds(offset: UInt64, version: UInt8?, most: Int) {
        for (count, fits) in [(most, true), (most + 1, false), (most + 5000, false)] {
            let capability = CapabilityDescription(
                id: 9, offset: offset, version: version, body: Array(repeating: 0, count: count))
            #expect(Self.error(capability) == (fits ? nil : .capabilityOutside(id: 9, offset: offset)))
        }
    }

    @Test(arguments: [0, 0x3c, 0x41, 0xf8, 0x100, .max - 3, .max] as [UInt64])
    func msixLiesBetween0x40And0xff(offset: UInt64) {
        #expect(Self.error { $0.msixOffset = offset } == .capabilityOutside(id: 0x11, offset: offset))
        #expect(Self.error { $0.msixOffset = 0xf4 } == nil)
        let without = Self.error {
            $0.msix = nil
            $0.msixOffset = offset
        }
        #expect(without == nil)
    }

    @Test(arguments: [0, 0x3c, 0x56, 0xec, 0x100, .max - 7, .max] as [UInt64])
    func msiLiesBetween0x40And0xff(offset: UInt64) {
        func error(_ offset: UInt64, vectors: Int?) -> DescriptionError? {
            Self.error {
                $0.msiVectors = vectors
                $0.msiOffset = offset
            }
        }
        #expect(error(offset, vectors: 4) == .capabilityOutside(id: 0x05, offset: offset))
        #expect(error(0xe8, vectors: 4) == nil)
        #expect(error(offset, vectors: nil) == nil)
    }

    @Test func capabilitiesDoNotOverlap() {
        func plain(_ offset: UInt64, _ count: Int) -> CapabilityDescription {
            CapabilityDescription(id: 9, offset: offset, body: Array(repeating: 0, count: count))
        }
        // MSI-X has twelve bytes at 0x40.
        #expect(Self.error(plain(0x48, 0)) == .capabilityOverlap(id: 9, offset: 0x48))
        #expect(Self.error(plain(0x4c, 0)) == nil)
        #expect(
            Self.error {
                $0.msixOffset = 0x44; $0.capabilities = [plain(0x40, 3)]
            } == .capabilityOverlap(id: 9, offset: 0x40))
        // MSI has 24 at 0x50.
        func withMSI(_ capability: CapabilityDescription) -> DescriptionError? {
            Self.error {
                $0.msiVectors = 1
                $0.capabilities = [capability]
            }
        }
        #expect(withMSI(plain(0x64, 0)) == .capabilityOverlap(id: 9, offset: 0x64))
        #expect(withMSI(plain(0x4c, 3)) == .capabilityOverlap(id: 9, offset: 0x4c))
        #expect(withMSI(plain(0x4c, 2)) == nil && withMSI(plain(0x68, 40)) == nil)
        let both = Self.error {
            $0.msiVectors = 1
            $0.msiOffset = 0x48
        }
        #expect(both == .capabilityOverlap(id: 0x05, offset: 0x48))
        // Another one.
        #expect(Self.error(plain(0x80, 7), plain(0x88, 2)) == .capabilityOverlap(id: 9, offset: 0x88))
        #expect(Self.error(plain(0x80, 6), plain(0x88, 2)) == nil)
        #expect(Self.error(plain(0x80, 2), plain(0x80, 2)) == .capabilityOverlap(id: 9, offset: 0x80))
        let extended = CapabilityDescription(id: 2, offset: 0x200, version: 1, body: [0])
        #expect(Self.error(extended, extended) == .capabilityOverlap(id: 2, offset: 0x200))
    }

    /// What does not fit into its field of the header would end up in the next one.
    @Test func headerHasRoomForTheIDAndTheVersion() {
        #expect(
            Self.error(CapabilityDescription(id: 0x100, offset: 0x80)) == .capabilityHeader(id: 0x100, version: nil))
        #expect(Self.error(CapabilityDescription(id: 0xff, offset: 0x80)) == nil)
        #expect(
            Self.error(CapabilityDescription(id: 2, offset: 0x100, version: 16))
                == .capabilityHeader(id: 2, version: 16))
        #expect(Self.error(CapabilityDescription(id: .max, offset: 0x100, version: 15)) == nil)
    }

    @Test func errorsNameTheCapability() {
        #expect("\(DescriptionError.capabilityOutside(id: 0x10, offset: 0x42))".contains("capability 0x10 at 0x42: "))
        #expect("\(DescriptionError.capabilityOverlap(id: 0x10, offset: 0x44))".contains("another one at 0x44"))
        #expect("\(DescriptionError.capabilityHeader(id: 0x100, version: nil))".contains("capability 0x100: the ID"))
        #expect("\(DescriptionError.capabilityHeader(id: 2, version: 16))".contains("capability 0x2: version 16"))
    }
}
