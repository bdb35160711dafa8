public import ArgumentParser
import Devices
public import Images
import KVM
public import Laboratory
public import Layouts
public import Machine
public import Memslots
public import PCI

/// A number of bytes or a guest-physical address. It is decimal, hexadecimal after `0x`, or `4K`, `16M`, `2G`, `1T` in powers
/// of 1024.
struct Quantity: Equatable, ExpressibleByArgument {
    let value: UInt64

    init?(argument: String) {
        guard let value = UInt64(quantity: argument) else { return nil }
        self.value = value
    }
}

/// A span of time: `500ms`, `1s`, `2m`, or seconds. All may have a fraction.
extension Duration: @retroactive ExpressibleByArgument {
    public init?(argument: String) {
        let units = [("ms", 0.001), ("us", 0.000_001), ("s", 1), ("m", 60), ("h", 3600)]
        let (suffix, seconds) = units.first { argument.hasSuffix($0.0) } ?? ("", 1)
        guard
            let number = Double(argument.dropLast(suffix.count)), number > 0, number.isFinite, number * seconds < 1e9
        else { return nil }
        self = .seconds(number * seconds)
    }
}

/// An aperture with its chosen place. Either the first address and the size are given, `low=0xd0000000+512M`, or the first and
/// the last address, `low=0xd0000000-0xefffffff`.
struct ApertureArgument: Equatable, ExpressibleByArgument {
    let isHigh: Bool
    let range: GuestRange

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, ["low", "high"].contains(parts[0]) else { return nil }
        let ends = parts[1].split(omittingEmptySubsequences: false) { $0 == "+" || $0 == "-" }
        let numbers = ends.compactMap { UInt64(quantity: String($0)) }
        guard ends.count == 2, numbers.count == 2 else { return nil }
        let (first, end) = (GuestAddress(numbers[0]), numbers[1])
        let range =
            parts[1].contains("+")
            ? GuestRange(first: first, size: end) : GuestRange(first: first, last: GuestAddress(end))
        guard let range else { return nil }
        (isHigh, self.range) = (parts[0] == "high", range)
    }
}

/// A multiboot module: the path of a file, and after the first `=` its arguments.
struct ModuleArgument: Equatable, ExpressibleByArgument {
    let path: String
    /// The string that the kernel finds with the module. It has the name of the file and the arguments, as on a command line.
    let string: String

    /// Makes a module without arguments.
    init(path: String) {
        (self.path, string) = (path, path)
    }

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, !path.isEmpty else { return nil }
        self.path = String(path)
        string = parts.joined(separator: " ")
    }
}

/// The socket of a device process, and the address for its function: `PATH` or `PATH,at=00:05.0`.
struct DeviceProcessArgument: Equatable, ExpressibleByArgument {
    let path: String
    let address: FunctionAddress?

    init?(argument: String) {
        guard let comma = argument.ranges(of: ",at=").last else {
            (path, address) = (argument, nil)
            return
        }
        guard let address = FunctionAddress(text: String(argument[comma.upperBound...])) else { return nil }
        (path, self.address) = (String(argument[..<comma.lowerBound]), address)
    }
}

/// Features of the processors by name. `+pcid` adds a feature, and `-x2apic` removes one.
struct CPUArgument: Equatable, ExpressibleByArgument {
    let features: [CPUFeature: Bool]

    init?(argument: String) {
        var features: [CPUFeature: Bool] = [:]
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let sign = part.first, "+-".contains(sign), let feature = CPUFeature(named: String(part.dropFirst()))
            else { return nil }
            features[feature] = sign == "+"
        }
        self.features = features
    }
}

/// Values of general registers: `ax=2,ebx=0x10`.
struct RegistersArgument: Equatable, ExpressibleByArgument {
    let values: [GeneralRegisters.Name: UInt64]

    init?(argument: String) {
        var values: [GeneralRegisters.Name: UInt64] = [:]
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2, let name = GeneralRegisters.Name(anyWidth: sides[0]),
                let value = UInt64(quantity: sides[1])
            else { return nil }
            values[name] = value
        }
        self.values = values
    }
}

/// The program whose rule turns a guest's exit code into the exit status.
enum StatusArgument: String, CaseIterable, ExpressibleByArgument {
    case swiftlet
    case kvmUnitTests = "kvm-unit-tests"

    var rule: ExitStatusRule {
        switch self {
        case .swiftlet: .value
        case .kvmUnitTests: .twiceAndOne
        }
    }
}

/// A PCI device that a machine can have beside the functions of a layout.
enum DeviceArgument: String, CaseIterable, ExpressibleByArgument {
    case testDevice = "pci-testdev"

    var model: any FunctionModel { PCITestDevice() }
}

/// A function of the host that is assigned, and the address at which guests find it: `0000:01:00.0,at=00:05.0`.
struct AssignedArgument: Equatable, ExpressibleByArgument {
    /// The name that the host's kernel gives the function.
    let name: String
    let address: FunctionAddress?

    init?(argument: String) {
        guard let parts = DeviceProcessArgument(argument: argument), let domain = DomainAddress(text: parts.path)
        else { return nil }
        (name, address) = (hexadecimal(domain.domain, digits: 4) + ":\(domain.function)", parts.address)
    }
}

extension FunctionAddress: ExpressibleByArgument {
    public init?(argument: String) {
        self.init(text: argument)
    }
}

extension CPUMode: ExpressibleByArgument {}
extension Image.Reading: ExpressibleByArgument {}
extension SlotPolicy: ExpressibleByArgument {}
extension DecodePolicy: ExpressibleByArgument {}
extension InterruptController: ExpressibleByArgument {}
extension ACPIKind: ExpressibleByArgument {}
extension RefusalPolicy: ExpressibleByArgument {}
extension PlanningHost.IOMMU: ExpressibleByArgument {}
extension PriceOperation: ExpressibleByArgument {}

/// The values of an option that is an enum. The library asks for them whenever it parses the option. Its own implementation
/// finds them by a key path, which is made at run time, and compares each value with its description. Here a closure lists the
/// values, and there are no descriptions.
extension ExpressibleByArgument where Self: CaseIterable & RawRepresentable<String> {
    public static var allValueStrings: [String] {
        allCases.map { $0.rawValue }
    }

    public static var allValueDescriptions: [String: String] {
        [:]
    }
}
