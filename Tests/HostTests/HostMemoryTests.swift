import Testing

@testable import Host

@Suite struct HostMemoryTests {
    @Test("memory begins at a multiple of a huge page, is zero, and keeps what is written", arguments: [false, true])
    func contents(inHugePages: Bool) throws {
        let size = 2 * HostMemory.hugePage + 4096
        let memory = try HostMemory(size: size, inHugePages: inHugePages)
        #expect(memory.address.isMultiple(of: HostMemory.hugePage))
        #expect(memory.read(count: 16, at: size - 16) == [UInt8](repeating: 0, count: 16))
        let bytes: [UInt8] = [1, 2, 3]
        memory.write(bytes.span, at: size - 3)
        #expect(memory.read(count: 4, at: size - 4) == [0, 1, 2, 3])
    }

    @Test("what the host has given is counted, and no more of it than there is")
    func use() throws {
        let memory = try HostMemory(size: 64 << 20, inHugePages: false)
        #expect(try MemoryUse(from: memory.address, size: memory.size).resident == 0)
        let bytes: [UInt8] = [1]
        for page in 0..<100 as Range<UInt64> { memory.write(bytes.span, at: page * 4096) }
        let use = try MemoryUse(from: memory.address, size: memory.size)
        #expect(use.resident == 100 * 4096 && use.inHugePages == 0)
    }

    @Test("memory that no process can have is refused", arguments: [UInt64(1) << 60, .max])
    func impossible(size: UInt64) {
        #expect(throws: HostError.self) { _ = try HostMemory(size: size & ~4095, inHugePages: true) }
    }
}
