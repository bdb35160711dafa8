import Host
import Testing

#if THREAD_SANITIZER
    private let isThreadSanitized = true
#else
    private let isThreadSanitized = false
#endif

@Suite("Reserved address space and memory files")
struct AddressReservationTests {
    @Test(
        "sixteen tebibytes can be reserved and take no memory",
        .disabled(if: isThreadSanitized, "ThreadSanitizer leaves a process six"))
    func hugeReservation() throws {
        let before = try #require(try KernelFigures.ofProcess().bytes("VmRSS"))
        let reservation = try AddressReservation(size: 16 << 40)
        let after = try #require(try KernelFigures.ofProcess().bytes("VmRSS"))
        #expect(reservation.size == 16 << 40)
        #expect(after < before + (8 << 20))
    }

    @Test("more address space than there is is refused with its size", arguments: [UInt64(0), 1 << 62, .max])
    func impossibleReservation(size: UInt64) {
        let error = #expect(throws: HostError.self) { _ = try AddressReservation(size: size) }
        #expect(error.map { "\($0)".contains("\(size) bytes") } == true)
    }

    @Test("what is written through the stable mapping is read back, and pages not touched are zero")
    func mappedFile() throws {
        let file = try HostMemory(file: "test", size: 1 << 20)
        file.write([1, 2, 3].span, at: 4094)
        #expect(file.read(count: 5, at: 4093) == [0, 1, 2, 3, 0])
        #expect(file.read(count: 0, at: 1 << 20) == [])
    }

    @Test("a window shows the part of the file that is mapped there, and nothing once it is unmapped")
    func window() throws {
        let file = try HostMemory(file: "test", size: 1 << 20)
        let reservation = try AddressReservation(size: 1 << 20)
        let before = try mappings(at: reservation.address)
        try file.map(from: 0x3000, size: 0x2000, into: reservation, at: 0x8000)
        #expect(try mappings(at: reservation.address + 0x8000) == "rw-s 00003000")
        try reservation.unmap(size: 0x2000, at: 0x8000)
        #expect(try mappings(at: reservation.address) == before)
    }

    @Test("an address belongs to the reservation from its first byte to its last")
    func offsets() throws {
        let reservation = try AddressReservation(size: 0x3000)
        #expect(reservation.offset(of: reservation.address) == 0)
        #expect(reservation.offset(of: reservation.address + 0x2fff) == 0x2fff)
        #expect(reservation.offset(of: reservation.address + 0x3000) == nil)
        #expect(reservation.offset(of: reservation.address - 1) == nil)
    }

    /// Access and file offset of what the kernel has mapped at an address (`/proc/self/maps`).
    private func mappings(at address: UInt64) throws -> String? {
        let maps = String(decoding: try readFile("/proc/self/maps"), as: UTF8.self)
        for line in maps.split(separator: "\n") {
            let words = line.split(separator: " ")
            let bounds = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            if bounds.count == 2, bounds[0] <= address, address < bounds[1] {
                return "\(words[1]) \(words[2])"
            }
        }
        return nil
    }
}
