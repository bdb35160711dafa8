public import ArgumentParser
import Board
public import Images
import Layouts
public import Machine
public import Memslots
public import PCI

/// A number of bytes: `4K`, `16M`, `2G`, `1T` in powers of 1024, or plain bytes, also hexadecimal.
struct ByteSize: Equatable, ExpressibleByArgument {
    let bytes: UInt64

    init(bytes: UInt64) {
        self.bytes = bytes
    }

    init?(argument: String) {
        guard let bytes = UInt64(quantity: argument) else { return nil }
        self.bytes = bytes
    }
}

/// A guest-physical address: decimal, or hexadecimal behind `0x`.
struct Address: Equatable, ExpressibleByArgument {
    let value: UInt64

    init?(argument: String) {
        guard let value = UInt64(quantity: argument) else { return nil }
        self.value = value
    }
}

/// A span of time: `500ms`, `1s`, `2m`, or seconds, also with a fraction.
struct TimeSpan: Equatable, ExpressibleByArgument {
    let duration: Duration

    init?(argument: String) {
        let units: [(suffix: String, seconds: Double)] = [
            ("ms", 0.001), ("us", 0.000_001), ("s", 1), ("m", 60), ("h", 3600),
        ]
        let unit = units.first { argument.hasSuffix($0.suffix) }
        guard
            let number = Double(argument.dropLast(unit?.suffix.count ?? 0)),
            number > 0, number.isFinite, number * (unit?.seconds ?? 1) < 1e9
        else { return nil }
        duration = .seconds(number * (unit?.seconds ?? 1))
    }
}

/// An aperture with its chosen place: the first address and the size, `low=0xd0000000+512M`, or the first and the last address,
/// `low=0xd0000000-0xefffffff`.
struct ApertureArgument: Equatable, ExpressibleByArgument {
    enum Name: String {
        case low, high
    }

    let name: Name
    let range: GuestRange

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let name = Name(rawValue: String(parts[0])) else { return nil }
        let ends = parts[1].split(omittingEmptySubsequences: false) { $0 == "+" || $0 == "-" }
        guard ends.count == 2, let first = UInt64(quantity: String(ends[0])).map({ GuestAddress($0) }) else {
            return nil
        }
        let range =
            parts[1].contains("+")
            ? ByteSize(argument: String(ends[1])).flatMap { GuestRange(first: first, size: $0.bytes) }
            : UInt64(quantity: String(ends[1])).flatMap { GuestRange(first: first, last: GuestAddress($0)) }
        guard let range else { return nil }
        self.name = name
        self.range = range
    }
}

extension AddressMap.Choices {
    /// Creates the choices of the command line. Of several apertures with one name the last counts.
    init(_ apertures: [ApertureArgument], buses: Int?) {
        self.init(
            lowAperture: apertures.last { $0.name == .low }?.range,
            highAperture: apertures.last { $0.name == .high }?.range, buses: buses)
    }
}

/// A multiboot module: a file, and behind the first `=` its arguments.
struct ModuleArgument: Equatable, ExpressibleByArgument {
    let path: String
    /// The string that the kernel finds with the module: the file's name and the arguments, as on a command line.
    let string: String

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, !path.isEmpty else { return nil }
        self.path = String(path)
        string = parts.joined(separator: " ")
    }
}

/// A PCI device that a machine can have beside those of a layout.
enum DeviceArgument: String, CaseIterable, ExpressibleByArgument {
    case testDevice = "pci-testdev"

    var model: any FunctionModel {
        switch self {
        case .testDevice: PCITestDevice()
        }
    }
}

extension CPUMode: ExpressibleByArgument {}
extension Image.Reading: ExpressibleByArgument {}
extension SlotPolicy: ExpressibleByArgument {}
extension DecodePolicy: ExpressibleByArgument {}
extension InterruptController: ExpressibleByArgument {}
extension RefusalPolicy: ExpressibleByArgument {}

/// The library asks for the values of an option whenever it parses the option. By itself it finds them by a key path, which is made
/// at run time, and compares each value with its description. Here a closure lists the values, and there are no descriptions.
extension ExpressibleByArgument where Self: CaseIterable & RawRepresentable<String> {
    public static var allValueStrings: [String] {
        allCases.map { $0.rawValue }
    }

    public static var allValueDescriptions: [String: String] {
        [:]
    }
}
