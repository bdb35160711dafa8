import Foundation
import Machine
import Memslots
import PropertySupport
import Testing

@testable import Laboratory

/// The fuzzer with kernels whose faults are known.
@Suite struct FuzzTests {
    private func run(seed: UInt64, _ fault: FakeKernel.Fault?, operations: Int = 10_000) throws -> FuzzResult {
        var observer = Observer.none
        return try FuzzRun.run(
            &observer, seed: seed, operations: operations, predict: SlotVerdict.init,
            makeTarget: { _ in FakeKernel(fault) })
    }

    @Test("a kernel without faults does not diverge", arguments: propertySeeds)
    func noFault(seed: UInt64) throws {
        let run = try run(seed: seed, nil)
        #expect(run.ok && run.operations == 10_000, "seed \(seed)")
        #expect(run.accepted + run.refusals.values.reduce(0, +) + run.reads <= 10_000)
        #expect(Set(run.guestMemoryRefusals.keys) == Set(GuestMemoryRule.allCases))
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
                random: SplitMix64(seed: seed), base: session.base, limits: session.table.limits,
                missingAddressSpace: 1,
                features: [])
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
            &observer, seed: 1, operations: nil, predict: SlotVerdict.init, makeTarget: { _ in FakeKernel(nil) })
        #expect(run.interrupted && run.ok && run.operations > 0)
    }

    // MARK: Traces

    @Test("a trace is the same after it was written and read", arguments: propertySeeds)
    func roundTrip(seed: UInt64) throws {
        var random = RandomOperations(
            random: SplitMix64(seed: seed), base: 0x7000_0000_0000, limits: SlotLimits(userSlots: 40),
            missingAddressSpace: 1, features: [.region2])
        let table = MemslotTable(limits: SlotLimits(userSlots: 40))
        let operations = (0..<300).map { _ in random.next(on: table) }
        let trace = FuzzTrace(seed: seed, divergence: "as told", operations: operations, features: [.region2])
        let read = try JSONDecoder().decode(FuzzTrace.self, from: try JSONEncoder().encode(trace))
        #expect(
            read.operations == operations && read.features == [.region2] && read.seed == seed
                && read.divergence == "as told")
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

    // MARK: Records

    @Test(
        "a record tells where another kernel answers otherwise, and leaves out the rest of that machine",
        arguments: propertySeeds)
    func record(seed: UInt64) throws {
        var observer = Observer.none
        var lines = [FuzzRecordLine.header(seed: seed, kernel: "6.1")]
        _ = try FuzzRun.run(
            &observer, seed: seed, operations: 10_000, predict: SlotVerdict.init, record: { lines.append($0) },
            makeTarget: { _ in FakeKernel(nil) })
        let read = try lines.map {
            try JSONDecoder().decode(FuzzRecordLine.self, from: try JSONEncoder().encode($0))
        }
        let same = try FuzzComparison.run(&observer, read, makeTarget: { _ in FakeKernel(nil) })
        #expect(same.ok && same.operations + 3 == read.count, "seed \(seed): \(same)")
        let other = try FuzzComparison.run(&observer, read, makeTarget: { _ in FakeKernel(.touchingSlotsOverlap) })
        #expect(other.differences == 2 && other.operations < same.operations && !other.ok, "seed \(seed)")
        #expect(other.differenceList.allSatisfy { $0.contains("recorded: accepted; here: EEXIST") }, "seed \(seed)")
    }

    @Test("a machine that uses what a kernel does not have is left out")
    func missingFeature() throws {
        var observer = Observer.none
        let request = FuzzRequest(slot: 1, guestAddress: 0x1000, size: Page.size, host: .memory(0))
        let lines: [FuzzRecordLine] = [
            .header(seed: 1, kernel: "6.1"), .machine([.dirtyRing]), .operation(.request(request), answer: "EINVAL"),
            .cut,
        ]
        let result = try FuzzComparison.run(&observer, lines, makeTarget: { _ in FakeKernel(nil) })
        #expect(result.ok && result.skippedMachines == 1 && result.operations == 0)
        #expect(throws: MachineError.self) {
            try FuzzComparison.run(&observer, Array(lines.dropFirst()), makeTarget: { _ in FakeKernel(nil) })
        }
    }

    @Test(
        "a line of a record that cannot be is refused",
        arguments: [
            #"{"format": "swiftlet fuzz record 2", "seed": 1, "kernel": ""}"#, #"{"machine": ["warp"]}"#,
            #"{"read": "0x1000"}"#, #"{"answer": "accepted"}"#, "7",
        ])
    func badLine(text: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(FuzzRecordLine.self, from: Data(text.utf8)) }
    }

    @Test("the trace and the record in docs/stress.md are such")
    func documentation() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let text = try String(contentsOf: root.appending(path: "docs/stress.md"), encoding: .utf8)
        let blocks = text.components(separatedBy: "```json\n").dropFirst().map {
            $0.components(separatedBy: "```")[0]
        }
        #expect(blocks.count == 2)
        let trace = try JSONDecoder().decode(FuzzTrace.self, from: Data(blocks[0].utf8))
        #expect(trace.operations.count == 2 && trace.features == [.region2])
        let lines = try blocks[1].split(separator: "\n").map {
            try JSONDecoder().decode(FuzzRecordLine.self, from: Data($0.utf8))
        }
        #expect(lines.count == 6)
        for key in FuzzFeature.allCases.map(\.rawValue) { #expect(text.contains("| `\(key)` |"), "\(key)") }
    }
}
