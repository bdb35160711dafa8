internal import Devices
internal import Host
public import Images
public import Layouts
public import Machine
public import Memslots
internal import PCI

/// Boots Linux on a machine with a layout's functions, and compares what it shows with the layout.
public enum LinuxRun {
    /// Makes the machine and runs it. The guest prints the files of sysfs as `SysfsReader.files` reads them, or what `lspci -vvv` prints.
    public static func run(
        _ layout: Layout, _ configuration: MachineConfiguration, image: Image, bytes: [UInt8], timeout: Duration?
    ) throws(MachineError) -> LinuxResult {
        let output = PrintedBytes()
        let machine = try GuestMachine(
            configuration, image: image, bytes: bytes, catchesSignals: true, consoleOutput: output.append)
        let atBoot = Dictionary(uniqueKeysWithValues: layout.functions.map { ($0.address, machine.bases(of: $0)) })
        let edits = machine.edits
        let report = try machine.run(timeout: timeout)
        let files = SysfsReader.files(printed: output.bytes)
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
            differences += function.differences(from: shown, bases: atBoot[function.address] ?? [:])
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
            moves: layout.functions.count { atBoot[$0.address] != machine.bases(of: $0) }, edits: machine.edits - edits,
            refusedChanges: report.refusals.count, exits: report.exits, seconds: report.duration.inSeconds,
            differences: differences.count, differenceList: differences, outcome: report.outcome.name,
            exitCode: report.outcome.exitCode, ok: report.outcome.isOrderly && differences.isEmpty,
            ending: report.ending(), console: files.isEmpty ? String(decoding: output.bytes, as: UTF8.self) : "")
    }
}

/// The result of a `LinuxRun`.
public struct LinuxResult: Codable, Sendable {
    public private(set) var schema = 1
    public let layout: String
    /// What Linux showed: functions, their BARs and ROMs, and bytes of configuration space that were compared with the machine's.
    public let functions: Int
    public let bars: Int
    public let bytesChecked: Int
    /// The functions with a BAR or ROM that has another address after the run than before.
    public let moves: Int
    /// The edits of slots during the run: Linux sizes BARs with decode off.
    public let edits: EditCounts
    public let refusedChanges: Int
    public let exits: ExitCounts
    public let seconds: Double
    public let differences: Int
    public let differenceList: [String]
    public let outcome: String
    public let exitCode: Int32
    /// Whether the guest ended by its own will and showed the layout as it is.
    public let ok: Bool
    public let ending: String
    /// What the guest printed, if it had nothing of what is compared.
    public let console: String
}

extension Layout.Function {
    /// Compares a function with what Linux shows of it.
    fileprivate func differences(from shown: DumpedFunction, bases: [BaseAddressRegister: UInt64]) -> [String] {
        func text(_ kind: BARDescription.Kind?, _ base: UInt64?, _ size: UInt64?) -> String {
            size.map { "\(kind.map { "\($0)" } ?? "a ROM"), \($0) bytes at \(hexadecimal(base ?? 0))" } ?? "nothing"
        }
        let identity = (shown.vendorID, shown.deviceID, shown.classCode)
        var differences: [String] = []
        if identity != (description.vendorID, description.deviceID, description.classCode) {
            differences.append("\(address): Linux shows another vendor, device or class")
        }
        for place in Set(description.registers.map { .register($0) }).union(shown.regions.keys).sorted() {
            guard case .register(let register) = place else { continue }
            let region = shown.regions[place]
            let kind: (BARDescription.Kind?, BARDescription.Kind?) =
                if case .bar(let number) = register { (description.bars[number]?.kind, region?.kind) } else {
                    (nil, nil)
                }
            let here = text(kind.0, bases[register], description.size(of: register))
            let there = text(kind.1, region?.base, region?.size)
            if here != there { differences.append("\(address) \(register): \(here) in the layout, \(there) in Linux") }
        }
        return differences
    }
}

extension GuestMachine {
    /// Returns the addresses in the registers of a function.
    fileprivate func bases(of function: Layout.Function) -> [BaseAddressRegister: UInt64] {
        var bases: [BaseAddressRegister: UInt64] = [:]
        for register in function.description.registers {
            func read(_ offset: UInt64) -> UInt64 {
                readConfiguration(of: function.address, at: offset, width: .doubleword)
            }
            guard case .bar(let number) = register, let kind = function.description.bars[number]?.kind else {
                bases[register] = read(0x30) & ~0x7ff
                continue
            }
            let offset = 0x10 + 4 * UInt64(number)
            let high = kind == .memory64 ? read(offset + 4) << 32 : 0
            bases[register] = high | read(offset) & (kind == .io ? ~3 : ~0xf)
        }
        return bases
    }

    /// Compares configuration space with what Linux read there. Tells of the first byte that differs.
    fileprivate func differences(of config: [UInt8], at address: FunctionAddress) -> [String] {
        for (offset, byte) in config.enumerated() {
            let own = readConfiguration(of: address, at: UInt64(offset), width: .byte)
            guard own != byte else { continue }
            return [
                "\(address) register \(hexadecimal(UInt64(offset))): \(hexadecimal(own)) here, \(hexadecimal(UInt64(byte))) in Linux"
            ]
        }
        return []
    }
}
