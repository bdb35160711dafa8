internal import Devices
public import Images
public import Layouts
public import Machine
public import Memslots
internal import PCI

/// Boots Linux on a machine with the functions of a layout, and compares the functions that Linux shows with the layout.
public enum LinuxRun {
    /// Guest memory beside the RAM. Linux prints into it if it boots the disk that comes with Swiftlet.
    private static let output = GuestRange(first: GuestAddress(0xb000_0000), size: 16 << 20)

    /// Makes the machine and runs it. The guest must print the files of sysfs in the form that `SysfsReader.files` reads, or
    /// the output of `lspci -vvv`.
    public static func run(
        _ layout: Layout, _ configuration: MachineConfiguration, image: Image, bytes: [UInt8], timeout: Duration?,
        beforeRun: () throws(MachineError) -> Void
    ) throws(MachineError) -> LinuxResult {
        let output = PrintedBytes()
        var configuration = configuration
        configuration.extraSlots += Self.output.map { [ExtraSlot(range: $0, access: .readWrite)] } ?? []
        let machine = try GuestMachine(
            configuration, image: image, bytes: bytes, catchesSignals: true, consoleOutput: output.append)
        let atBoot = Dictionary(uniqueKeysWithValues: layout.functions.map { ($0.address, machine.regions(of: $0)) })
        let windows = Dictionary(uniqueKeysWithValues: layout.functions.map { ($0.address, machine.windows(of: $0)) })
        let edits = machine.edits
        try beforeRun()
        let report = try machine.run(timeout: timeout)
        let memory = Self.output.flatMap { machine.read(count: Int($0.size), at: $0.first) } ?? []
        let files = SysfsReader.files(printed: Array(memory.prefix { $0 != 0 }) + output.bytes)
        var reader = SysfsReader()
        for (directory, files) in files { reader.add(directory: directory, files: files) }
        let dump = files.isEmpty ? TextDumpReader.read(output.bytes) : reader.result
        let shown = Dictionary(dump.functions.map { ($0.address.function, $0) }) { first, _ in first }

        var differences = Set(shown.keys).subtracting(layout.functions.map(\.address)).sorted()
            .map { "\($0): Linux shows it, and the layout has none" }
        for function in layout.functions {
            guard let shown = shown[function.address] else {
                differences.append("\(function.address): Linux does not show it")
                continue
            }
            differences += function.differences(from: shown, regions: atBoot[function.address] ?? [:])
        }
        var bytesChecked = 0
        for (directory, files) in files {
            guard let address = DomainAddress(text: directory)?.function, let config = files["config"] else { continue }
            bytesChecked += config.count
            differences += machine.differences(of: config, at: address)
        }
        return LinuxResult(
            layout: layout.name, functions: shown.count,
            bars: shown.values.reduce(0) { $0 + $1.regions.count }, bytesChecked: bytesChecked,
            moves: layout.functions.count {
                atBoot[$0.address] != machine.regions(of: $0) || windows[$0.address] != machine.windows(of: $0)
            },
            edits: machine.edits - edits,
            refusedChanges: report.refusals.count, exits: report.exits, seconds: report.duration.inSeconds,
            differences: differences.count, differenceList: differences, outcome: report.outcome.name,
            exitCode: report.outcome.exitCode, ok: report.outcome.isOrderly && differences.isEmpty,
            ending: report.ending(), console: files.isEmpty ? String(decoding: output.bytes, as: UTF8.self) : "")
    }
}

/// The result of a `LinuxRun`.
public struct LinuxResult: Codable, Sendable {
    /// The version of the JSON, 1.
    public private(set) var schema = 1
    /// The name of the layout.
    public let layout: String
    /// The number of functions that Linux showed.
    public let functions: Int
    /// The number of BARs and ROMs of these functions.
    public let bars: Int
    /// The number of bytes of configuration space that were compared with the machine's.
    public let bytesChecked: Int
    /// The number of functions with a BAR, ROM or bridge window that has another address after the run than before, or with
    /// another bus number.
    public let moves: Int
    /// The edits of slots during the run, with those of BARs that Linux sizes with decode off.
    public let edits: EditCounts
    /// The number of changes that the machine refused.
    public let refusedChanges: Int
    /// The exits of all vCPUs by kind.
    public let exits: ExitCounts
    /// The duration of the run.
    public let seconds: Double
    /// The number of differences between Linux and the layout.
    public let differences: Int
    /// The differences, in words.
    public let differenceList: [String]
    /// The name of the way in which the guest ended.
    public let outcome: String
    /// The exit status of `swiftlet run` for this end.
    public let exitCode: Int32
    /// Whether the guest ended by its own will and showed exactly the layout.
    public let ok: Bool
    /// The outcome in words, with the state of the vCPUs if the guest did not end by itself.
    public let ending: String
    /// The guest's output if it has no files of sysfs to compare. Otherwise empty.
    public let console: String
}

extension Layout.Function {
    /// Compares the function with what Linux shows of it, and returns the differences in words.
    fileprivate func differences(
        from shown: DumpedFunction, regions: [BaseAddressRegister: ConfigDump.Region]
    ) -> [String] {
        let isKnown =
            (shown.vendorID, shown.deviceID, shown.classCode)
            == (description.vendorID, description.deviceID, description.classCode)
        let identity = isKnown ? [] : ["\(address): Linux shows another vendor, device or class"]
        return identity
            + Set(regions.keys).union(shown.regions.keys).sorted().compactMap { place in
                var (here, there) = (regions[place], shown.regions[place])
                if place == .rom {
                    // For a display that may be the one in use, Linux shows the firmware's copy of the ROM instead of the ROM.
                    if there?.base == Self.displayROM, description.classCode >> 8 == 0x300 { return nil }
                    // Linux calls all ROMs prefetchable.
                    here?.isPrefetchable = false
                    there?.isPrefetchable = false
                }
                return here == there ? nil : "\(address) \(text(here)) in the layout, \(text(there)) in Linux"
            }
    }

    private static let displayROM: UInt64 = 0xc0000

    private func text(_ region: ConfigDump.Region?) -> String {
        guard let region else { return "nothing" }
        let prefetchable = region.isPrefetchable ? ", prefetchable" : ""
        return
            "\(region.place): \(region.kind)\(prefetchable), \(region.size ?? 0) bytes at \(hexadecimal(region.base))"
    }
}

extension GuestMachine {
    private func configuration(of function: FunctionAddress, bytes: Int) -> [UInt8] {
        (0..<UInt64(bytes)).map {
            UInt8(truncatingIfNeeded: readConfiguration(of: function, at: $0, width: .byte))
        }
    }

    /// Returns the BARs and the ROM of a function with their present addresses.
    fileprivate func regions(of function: Layout.Function) -> [BaseAddressRegister: ConfigDump.Region] {
        let config = ConfigDump(configuration(of: function.address, bytes: 64))
        // A bridge has its windows where other functions have BARs 2 to 5 and the ROM.
        let isBridge = function.description.bridge != nil
        var regions = config.bars.filter { !isBridge || $0.place <= .bar(1) }
        if !isBridge, let base = config.romBase {
            regions.append(ConfigDump.Region(place: .rom, kind: .memory32, base: base))
        }
        for index in regions.indices {
            regions[index].size = function.description.size(of: regions[index].place)
        }
        return Dictionary(uniqueKeysWithValues: regions.map { ($0.place, $0) })
    }

    /// Returns the registers of a bridge that hold its bus numbers and windows. Empty for other functions.
    fileprivate func windows(of function: Layout.Function) -> [UInt8] {
        function.description.bridge == nil
            ? [] : Array(configuration(of: function.address, bytes: 0x30).dropFirst(0x18))
    }

    /// Compares a function's configuration space with the bytes that Linux read from it, and describes the first byte that
    /// differs.
    fileprivate func differences(of config: [UInt8], at address: FunctionAddress) -> [String] {
        let own = configuration(of: address, bytes: config.count)
        // Linux switches bus master off in ports when it shuts down, which is after it has printed everything.
        let busMaster: UInt8 = 4
        let offset = config.indices.first { (config[$0] ^ own[$0]) & ($0 == 4 ? ~busMaster : .max) != 0 }
        guard let offset else { return [] }
        return ["\(address) register \(hexadecimal(UInt64(offset))): \(own[offset]) here, \(config[offset]) in Linux"]
    }
}
