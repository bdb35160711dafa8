import Foundation
import Memslots
import PropertySupport
import Testing

@testable import Laboratory

/// The fuzzer with kernels whose faults are known.
@Suite struct FuzzTests {
    private func run(seed: UInt64, _ fault: FakeKernel.Fault?, operations: Int = 10_000) throws -> FuzzResult {
        var observer = Observer.none
        return try FuzzRun.run(
            &observer, seed: seed, operations: operations, predict: SlotVerdict.init, makeTarget: { FakeKernel(fault) })
    }

    @Test("a kernel without faults does not diverge", arguments: propertySeeds)
    func noFault(seed: UInt64) throws {
        let run = try run(seed: seed, nil)
        #expect(run.ok && run.operations == 10_000, "seed \(seed)")
        #expect(run.accepted + run.refusals.values.reduce(0, +) + run.reads <= 10_000)
        #expect(run.accepted > 2000 && run.reads > 100)
    }

    @Test(
        "a kernel that interprets its guests has a device at the page of the APIC, and one that does not has memory there"
    )
    func apicPage() throws {
        let slot = FuzzRequest(slot: 1, guestAddress: 0xfee0_0000, size: 2 * Page.size, host: .memory(0))
        for isDevice in [false, true] {
            var kernel = FakeKernel(nil)
            kernel.apicPageIsDevice = isDevice
            var session = FuzzSession(kernel, predict: SlotVerdict.init)
            #expect(try session.divergence(at: .request(slot)) == nil)
            #expect(try session.divergence(at: .read(GuestAddress(0xfee0_0000))) == nil)
            #expect(try session.divergence(at: .read(GuestAddress(0xfee0_1000))) == nil)
            #expect(session.reads == 2)
        }
    }

    @Test("what a guest sees is told in words")
    func words() throws {
        var session = FuzzSession(FakeKernel(.deletedSlotStays), predict: SlotVerdict.init)
        var request = FuzzRequest(slot: 1, guestAddress: 0x1000, size: Page.size, host: .memory(0))
        #expect(try session.divergence(at: .request(request)) == nil)
        request.size = 0
        #expect(try session.divergence(at: .request(request)) == nil)
        let divergence = try session.divergence(at: .read(GuestAddress(0x1000)))
        let word = hexadecimal(UInt64(Label(number: 0).word))
        #expect(divergence == "read at 0x1000: predicted: no memory; the guest saw: memory that holds \(word)")
    }

    @Test(
        "each fault is found and shrunk, and its trace shows it again", arguments: FakeKernel.Fault.allCases,
        propertySeeds)
    func fault(_ fault: FakeKernel.Fault, seed: UInt64) throws {
        let trace = try #require(try run(seed: seed, fault).smallestTrace, "seed \(seed)")
        #expect(trace.operations.count <= 4, "seed \(seed): \(trace.operations)")
        var session = FuzzSession(FakeKernel(fault), predict: SlotVerdict.init)
        for operation in trace.operations.dropLast() {
            #expect(try session.divergence(at: operation) == nil)
        }
        let last = try #require(trace.operations.last)
        #expect(try session.divergence(at: last) == trace.divergence)
        var healthy = FuzzSession(FakeKernel(nil), predict: SlotVerdict.init)
        for operation in trace.operations {
            #expect(try healthy.divergence(at: operation) == nil)
        }
    }

    @Test("a seed tells all operations; another seed, others")
    func seeds() throws {
        func operations(_ seed: UInt64) throws -> [FuzzOperation] {
            var session = FuzzSession(FakeKernel(nil), predict: SlotVerdict.init)
            var random = RandomOperations(
                random: SplitMix64(seed: seed), base: session.base, limits: session.table.limits, missingAddressSpace: 1
            )
            return try (0..<500).map { _ in
                let operation = random.next(on: session.table)
                _ = try session.divergence(at: operation)
                return operation
            }
        }
        #expect(try operations(5) == operations(5))
        #expect(try operations(5) != operations(6))
    }

    @Test("every rule that a request can break is met")
    func rules() throws {
        let run = try run(seed: 1, nil)
        #expect(Set(run.refusals.keys) == Set(SlotRule.allCases).subtracting([.freeSlot]))
    }

    @Test("an interruption ends it early")
    func interruption() throws {
        var told = 0
        var observer = Observer { _ in
            told += 1
            return told < 2
        }
        let run = try FuzzRun.run(
            &observer, seed: 1, operations: nil, predict: SlotVerdict.init, makeTarget: { FakeKernel(nil) })
        #expect(run.interrupted && run.ok && run.operations > 0)
    }

    // MARK: Traces

    @Test("a trace is the same after it was written and read", arguments: propertySeeds)
    func roundTrip(seed: UInt64) throws {
        var random = RandomOperations(
            random: SplitMix64(seed: seed), base: 0x7000_0000_0000, limits: SlotLimits(userSlots: 40),
            missingAddressSpace: 1)
        let table = MemslotTable(limits: SlotLimits(userSlots: 40))
        let operations = (0..<300).map { _ in random.next(on: table) }
        let trace = FuzzTrace(seed: seed, divergence: "as told", operations: operations)
        let read = try JSONDecoder().decode(FuzzTrace.self, from: try JSONEncoder().encode(trace))
        #expect(read.operations == operations && read.seed == seed && read.divergence == "as told")
    }

    @Test(
        "a trace that cannot be is refused",
        arguments: [
            #"{"format": "something else", "seed": 1, "operations": []}"#,
            #"{"format": "swiftlet fuzz trace 1", "seed": 1, "operations": [{"read": "0xfffff000"}]}"#,
            #"{"format": "swiftlet fuzz trace 1", "seed": 1, "operations": [{"read": "0x1001"}]}"#,
            #"{"format": "swiftlet fuzz trace 1", "seed": 1, "operations": [{"slot": 1, "flags": 0, "size": "0x1000"}]}"#,
            #"{"format": "swiftlet fuzz trace 1", "seed": 1, "operations": [{"slot": -1}]}"#,
            #"{"format": "swiftlet fuzz trace 1", "seed": 1, "operations": [{"slot": 0, "flags": 0, "guestAddress": "12", "size": "0x0", "memoryOffset": "0x0"}]}"#,
        ])
    func badTrace(text: String) {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(FuzzTrace.self, from: Data(text.utf8))
        }
    }
}
