import Memslots
import PropertySupport
import Testing

@testable import Images

@Suite struct Multiboot2Tests {
    private func load(_ bytes: [UInt8], as reading: Image.Reading? = nil) throws(ImageError) -> Image {
        try Image.load(bytes, as: reading, flatLoadAddress: GuestAddress(0x10000))
    }

    private func refusal(_ breakFile: (inout Multiboot2File) -> Void) -> MultibootError? {
        var file = Multiboot2File.flat
        breakFile(&file)
        do throws(ImageError) {
            _ = try load(file.bytes)
            return nil
        } catch {
            guard case .multiboot(let error) = error else { return nil }
            return error
        }
    }

    @Test func addressTagsSayWhereAFlatFileLies() throws {
        let image = try load(Multiboot2File.flat.bytes)
        #expect(image.format == .multiboot2 && image.mode == .protected && !image.wantsVideoMode)
        #expect(image.entry == GuestAddress(0x10_0048))
        #expect(image.segments.map(\.bytes) == [0..<Multiboot2File.flat.bytes.count])
        #expect(image.segments.first?.range == GuestRange(first: GuestAddress(0x10_0000), size: 0x10000))
    }

    @Test(arguments: [false, true], [nil, 0x10_0001])
    func anELFFileSaysItByItself(is64: Bool, entry: UInt32?) throws {
        var file = ELFFile(is64: is64)
        let header = Multiboot2File(tags: entry.map { [Multiboot2File.Tag(type: 3, body: [$0])] } ?? []).header
        let padding = (8 - (file.contentsOffset + 3) % 8) % 8
        file.segments[0].contents += [UInt8](repeating: 0x90, count: padding) + header
        file.segments[0].memsz = 0x1000
        let image = try load(file.bytes)
        #expect(image.format == .multiboot2 && image.mode == .protected)
        #expect(image.entry == GuestAddress(UInt64(entry ?? 0x10_0002)))
    }

    @Test func anEntryOutsideOfAnELFFile() throws {
        var file = ELFFile(is64: true)
        let header = Multiboot2File(tags: [Multiboot2File.Tag(type: 3, body: [0x20_0000])]).header
        let padding = (8 - (file.contentsOffset + 3) % 8) % 8
        file.segments[0].contents += [UInt8](repeating: 0x90, count: padding) + header
        file.segments[0].memsz = 0x1000
        #expect(throws: ImageError.entryOutsideSegments(entry: 0x20_0000)) { try load(file.bytes) }
    }

    @Test func requirementsThatCannotBeMet() {
        #expect(refusal { $0.architecture = 4 } == .architecture(4))
        #expect(refusal { $0.tags[2].body = [1, 9, 15] } == .unknownInformation([9, 15]))
        #expect(refusal { $0.tags.append(Multiboot2File.Tag(type: 10, body: [0, 0, 0, 0])) } == .unknownTag(type: 10))
        #expect(refusal { $0.tags.remove(at: 1) } == .noEntryTag)
        #expect(refusal { $0.tags[0].size = 20 } == .badTag(type: 2, size: 20))
        #expect(refusal { $0.tags[1].size = 8 } == .badTag(type: 3, size: 8))
        #expect(refusal { $0.tags[3].size = 7 } == .badTag(type: 6, size: 7))
        #expect(refusal { $0.tags[3].size = .max } == .badTag(type: 6, size: .max))
        #expect(refusal { $0.tags[1].body = [0x10] } != nil)
    }

    @Test func optionalRequirements() throws {
        var file = Multiboot2File.flat
        file.tags[2].body = [1, 9, 15]
        file.tags[2].isOptional = true
        file.tags += [
            Multiboot2File.Tag(type: 10, isOptional: true, body: [0, 0, 0, 0]), Multiboot2File.Tag(type: 7),
            Multiboot2File.Tag(type: 5, body: [0, 0, 0]),
        ]
        file.hasEnd = false
        file.tags[1].body = [0x10_0080]
        #expect(try load(file.bytes).wantsVideoMode)
    }

    @Test func theHeaderLiesInTheFirst32KiB() throws {
        var file = Multiboot2File.flat
        file.lead = [UInt8](repeating: 0, count: 32768 - file.header.count)
        file.tags[0].body[0] = 0x10_0000 + UInt32(file.lead.count)
        #expect(try load(file.bytes).format == .multiboot2)
        for size in [file.lead.count + 8, 32768, 40000] {
            file.lead = [UInt8](repeating: 0, count: size)
            #expect(throws: ImageError.multiboot(.headerTooFar(.two, offset: size))) { try load(file.bytes) }
        }
        #expect(throws: ImageError.multiboot(.noHeader(.two))) { try load([0x90], as: .multiboot2) }
    }

    @Test func theFirstVersionComesFirst() throws {
        let second = Multiboot2File.flat.bytes
        #expect(throws: ImageError.self) { try load(second, as: .multiboot) }
        let padding = [UInt8](repeating: 0, count: (4 - second.count % 4) % 4)
        var first = MultibootFile.flat
        first.addresses?.headerAddr = 0x10_0000 + UInt32(second.count + padding.count)
        let both = second + padding + first.header
        #expect(try load(both).format == .multiboot)
        #expect(try load(both, as: .multiboot2).format == .multiboot2)
        #expect(try load(both, as: .flat).format == .flat)
        // A magic number of the first version alone is none.
        first.checksum = 1
        #expect(try load(second + padding + first.header).format == .multiboot2)
    }

    /// Mutations of good kernels: none traps, and what is accepted lies in the file.
    @Test(arguments: propertySeeds)
    func mutatedFilesAreRefusedOrSound(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var accepted = 0
        for _ in 0..<3000 {
            var bytes = Multiboot2File.flat.bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 24..<bytes.count, using: &random)
                bytes[index] = [0, 1, 7, 8, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
            }
            guard let image = try? load(bytes) else { continue }
            accepted += 1
            try #require(image.segments.allSatisfy { $0.bytes.upperBound <= bytes.count }, "seed \(seed)")
            try #require(image.segments.contains { $0.range.contains(image.entry) }, "seed \(seed)")
        }
        #expect(accepted > 100, "seed \(seed)")
    }
}
