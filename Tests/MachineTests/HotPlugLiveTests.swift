import Devices
import Foundation
import Host
import LiveSupport
import Memslots
import PCI
import Testing
import VFIOUser
import VFIOUserSupport

@testable import Machine

/// Functions that come and go while others are used.
@Suite("Functions come and go", .serialized, .enabled(if: LiveKVM.runsLiveTests, "needs a usable /dev/kvm"))
struct HotPlugLiveTests {
    private static let stays = FunctionAddress(device: 1)
    static let comes = FunctionAddress(device: 2)
    private static let memory: UInt32 = 0xd000_0000
    private static let ready: UInt32 = GuestCode.results + 0x40

    /// Two vCPUs that load from the memory of the function that stays until the host sets the flag.
    static func machine(
        _ policy: SlotPolicy, first: (inout GuestCode) -> Void = { $0.wait(until: GuestCode.flag, is: 1) }
    ) throws -> GuestMachine {
        let code = GuestCode(vcpus: 2) { code in
            code.onVCPU(0) {
                first(&$0)
                $0.exit(0)
            }
            code.forever {
                $0.load(memory)
                $0.unless(0x600d_f00d) { $0.exit(99) }
                $0.store(1, at: ready)
            }
        }
        var guest = TinyGuest(code: code.bytes, configuration: GuestCode.configuration(vcpus: 2, policy: policy))
        guest.configuration.functions = [stays: plainFunction(size: 0x4000)]
        guest.configuration.sharesMemory = true
        let machine = try guest.machine()
        try #require(machine.register(0x10, of: stays) == UInt64(memory))
        #expect(machine.write([0x0d, 0xf0, 0x0d, 0x60], at: GuestAddress(UInt64(memory))))
        return machine
    }

    private static func start(_ machine: GuestMachine) throws -> RunningMachine {
        let running = try machine.start()
        while machine.read(count: 1, at: GuestAddress(UInt64(ready))) != [1], !running.hasEnded {
            HostThread.sleep(for: .milliseconds(1))
        }
        return running
    }

    private static func finish(_ running: RunningMachine) throws {
        #expect(running.machine.write([1], at: GuestAddress(UInt64(GuestCode.flag))))
        let report = try running.report()
        #expect(report.outcome == .exited(0) && report.refusals.count == 0)
    }

    /// What the machine holds, with the memory files of functions that were added.
    struct Counts: Equatable {
        let held: HeldResources
        let files: Int
    }

    static func counts(_ machine: GuestMachine) throws -> Counts {
        let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
        return Counts(held: machine.held, files: maps.split(separator: "\n").count { $0.contains("swiftlet-added") })
    }

    @Test("beside vCPUs that use another one, and leave nothing behind", arguments: SlotPolicy.allCases)
    func cycles(policy: SlotPolicy) throws {
        let machine = try Self.machine(policy)
        let running = try Self.start(machine)
        let (before, slots) = (try Self.counts(machine), Array(machine.slots.all))
        var first: (base: UInt64, slots: [String])?
        func places() -> [String] { machine.slots.all.map { "\($0.id) \($0.range)" } }
        for round in 0..<40 {
            let model: any FunctionModel = round % 2 == 0 ? EventFunction() : plainFunction(size: 0x2000)
            try machine.add(model, at: Self.comes)
            let base = machine.register(0x10, of: Self.comes)
            #expect(base >= UInt64(Self.memory) + 0x4000)
            let page = GuestAddress(base + 0x1000)
            #expect(machine.mapping(at: page)?.owner == .bar(function: Self.comes.requesterID, number: 0))
            #expect(machine.read(count: 1, at: page) == [0], "no memory of the function before")
            #expect(machine.write([1], at: page))
            // The lowest ids and the first free addresses again, each time.
            if round % 2 == 0 {
                if let first { #expect(first.base == base && first.slots == places()) }
                first = first ?? (base, places())
            }
            try machine.remove(at: Self.comes)
            #expect(machine.register(0, of: Self.comes) == 0xffff_ffff && machine.mapping(at: page) == nil)
            #expect(Array(machine.slots.all) == slots)
        }
        #expect(try Self.counts(machine) == before)
        try Self.finish(running)
    }

    @Test("a guest finds a function that came, and all ones when it is gone", arguments: SlotPolicy.allCases)
    func seen(policy: SlotPolicy) throws {
        let place = Self.memory + 0x4000
        let machine = try Self.machine(policy) { code in
            code.wait(until: GuestCode.flag, is: 1)
            code.readConfiguration(Self.comes, at: 0x10)
            code.keep(0)
            code.store(0x1234, at: place + 0x1000)
            code.store(7, at: place + 0x10)
            code.load(place)
            code.keep(1)
            code.store(2, at: GuestCode.flag)
            code.wait(until: GuestCode.flag, is: 3)
            code.readConfiguration(Self.comes, at: 0x10)
            code.keep(2)
            code.load(place)
            code.keep(3)
            code.load(place + 0x1000)
            code.keep(4)
        }
        let running = try Self.start(machine)
        try machine.add(EventFunction(), at: Self.comes)
        let flag = GuestAddress(UInt64(GuestCode.flag))
        #expect(machine.write([1], at: flag))
        while machine.read(count: 1, at: flag) != [2], !running.hasEnded { HostThread.sleep(for: .milliseconds(1)) }
        #expect(machine.read(count: 2, at: GuestAddress(UInt64(place) + 0x1000)) == [0x34, 0x12])
        try machine.remove(at: Self.comes)
        #expect(machine.write([3], at: flag))
        #expect(try running.report().outcome == .exited(0))
        #expect(machine.results(5) == [place, 1, .max, .max, .max])
    }

    @Test("if a call is refused, all is as before, and a later try succeeds", arguments: SlotPolicy.allCases)
    func refused(policy: SlotPolicy) throws {
        let machine = try Self.machine(policy)
        let faults = Faults()
        let observer = RecordingObserver(faults)
        _ = try machine.addObserver(observer)
        faults.install(in: machine)
        let running = try Self.start(machine)
        /// Refuses each call of a change once. Returns the number of calls.
        func refuseEach(_ change: () throws -> Void) throws -> Int {
            var call = 0
            while true {
                let (before, slots, mappings) = (try Self.counts(machine), Array(machine.slots.all), machine.mappings)
                let functions = machine.functions
                faults.refuse([call])
                do {
                    try change()
                    return call
                } catch let error as MachineError {
                    #expect(["kernel", "observer"].contains(error.rule))
                }
                #expect(try Self.counts(machine) == before && Array(machine.slots.all) == slots, "call \(call)")
                #expect(machine.mappings == mappings && observer.mappings == mappings && machine.functions == functions)
                call += 1
            }
        }
        #expect(try refuseEach { try machine.add(EventFunction(), at: Self.comes) } >= 3)
        #expect(try refuseEach { try machine.remove(at: Self.comes) } >= 3)
        try Self.finish(running)
    }

    @Test("device processes come, are used and go; one that dies makes room for the next")
    func devices() throws {
        let machine = try Self.machine(.separate)
        let running = try Self.start(machine)
        let before = try Self.counts(machine)
        for round in 0..<8 {
            let server = try ScriptedServer()
            try machine.add(DeviceProcess(path: server.path), at: Self.comes)
            #expect(server.state.withLock { $0.mapped.map(\.size) } == [2 << 20])
            #expect(machine.register(0, of: Self.comes) & 0xffff == 0x1af4)
            let counts = try Self.counts(machine)
            #expect(counts.held.slots > before.held.slots && counts.held.backings > before.held.backings)
            #expect(counts.held.deviceEvents == before.held.deviceEvents + 1)
            // MSI-X, so that there are routes.
            try machine.writeConfiguration(1 << 31, of: Self.comes, at: 0x40, width: .doubleword)
            if round % 2 == 0 {
                try machine.remove(at: Self.comes)
                #expect(server.state.withLock { $0.mapped.isEmpty })
            } else {
                server.kill()
                while machine.functions.contains(Self.comes) { HostThread.sleep(for: .milliseconds(1)) }
            }
            let deadline = SuspendingClock.now + .seconds(30)
            while try Self.counts(machine) != before, deadline > .now { HostThread.sleep(for: .milliseconds(1)) }
            #expect(try Self.counts(machine) == before)
            #expect(machine.register(0, of: Self.comes) == 0xffff_ffff)
        }
        #expect(running.machine.write([1], at: GuestAddress(UInt64(GuestCode.flag))))
        #expect(try running.report().losses.map(\.function) == Array(repeating: Self.comes, count: 4))
    }

    @Test("a device that does not answer can be removed, and who waits for it comes back", .timeLimit(.minutes(1)))
    func silent() throws {
        let machine = try Self.machine(.separate)
        let other = try ScriptedServer()
        try machine.add(DeviceProcess(path: other.path), at: Self.comes)
        let count = other.state.withLock { $0.commands.count }
        try machine.remove(at: Self.comes)
        let server = try ScriptedServer(fault: (at: count + 2, what: .silence))
        try machine.add(DeviceProcess(path: server.path), at: Self.comes)
        let read = Lock<UInt64?>(nil)
        let reader = try HostThread(name: "reader") {
            var value: UInt64 = 0
            while value != 0xffff_ffff { value = machine.register(0x70, of: Self.comes) }
            read.withLock { [value] in $0 = value }
        }
        while server.state.withLock({ $0.commands.count }) <= count + 2 { HostThread.sleep(for: .milliseconds(1)) }
        try machine.remove(at: Self.comes)
        reader.join()
        #expect(read.withLock { $0 } == 0xffff_ffff)
        #expect(machine.functions == [Self.stays] && machine.slots.count == 2)
    }

    @Test("what cannot come or go is refused")
    func impossible() throws {
        let machine = try Self.machine(.separate)
        func reason(_ change: () throws(MachineError) -> Void) -> HotPlugError? {
            do throws(MachineError) { try change() } catch { if case .hotPlug(_, let reason) = error { return reason } }
            return nil
        }
        let before = try Self.counts(machine)
        #expect(reason { () throws(MachineError) in try machine.add(plainFunction(), at: Self.stays) } == .taken)
        var description = FunctionDescription(vendorID: 1, deviceID: 2)
        description.bridge = BridgeDescription(secondary: 1, subordinate: 1)
        let bridge = DescribedFunction(description)
        #expect(reason { () throws(MachineError) in try machine.add(bridge, at: Self.comes) } == .bridge)
        #expect(throws: MachineError.self) { try machine.remove(at: Self.comes) }
        #expect(throws: MachineError.self) { try machine.add(plainFunction(size: 1 << 31), at: Self.comes) }
        #expect(try Self.counts(machine) == before)
        let bare = try TinyGuest(code: TinyGuest.exit(0)).machine()
        #expect(
            reason { () throws(MachineError) in try bare.add(plainFunction(), at: Self.comes) } == .noConfigurationSpace
        )
        let server = try ScriptedServer()
        let device = try DeviceProcess(path: server.path)
        #expect(reason { () throws(MachineError) in try bare.add(device, at: Self.comes) } == .privateRAM)
    }

    @Test("a second function makes the device multifunction as long as it is there")
    func multifunction() throws {
        let machine = try Self.machine(.separate)
        let second = FunctionAddress(requesterID: Self.stays.requesterID | 1)
        func isMultifunction() -> Bool { machine.register(0x0c, of: Self.stays) >> 23 & 1 == 1 }
        #expect(!isMultifunction())
        try machine.add(plainFunction(), at: second)
        #expect(isMultifunction())
        try machine.remove(at: second)
        #expect(!isMultifunction())
        // One that was there from the start can go as well, and come back.
        try machine.remove(at: Self.stays)
        #expect(machine.slots.count == 1 && machine.functions.isEmpty)
        try machine.add(plainFunction(), at: Self.stays)
        #expect(machine.register(0x10, of: Self.stays) == UInt64(Self.memory))
    }
}
