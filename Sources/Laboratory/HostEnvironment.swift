internal import FoundationEssentials
internal import Host

/// The circumstances that a result depends on besides the measuring code: the kernel, the processor, the kind of KVM, the
/// version of Swiftlet and the date.
public struct HostEnvironment: Codable, Sendable {
    /// The version of Swiftlet.
    public static let swiftletVersion = "0.2.0"

    /// The name and the version of the result's JSON keys, such as `swiftlet stress fill 1`.
    public let schema: String
    /// The version of Swiftlet that measured.
    public let swiftlet: String
    /// The time at which the measurement began, in UTC (ISO 8601).
    public let date: String
    /// The release of the kernel; `unknown` if the host does not tell.
    public let kernel: String
    /// The model name of the processor; `unknown` if the host does not tell.
    public let cpuModel: String
    /// `VMX`, `SVM`, or `PVM`, which has no hardware virtualisation; `unknown` if the host does not tell.
    public let kvm: String
    /// The number of processors on which the kernel runs threads.
    public let cpus: Int
    /// The values of the parameters of KVM's modules, such as `kvm.tdp_mmu`. A value is nil (null in JSON) if this kernel has
    /// no such parameter.
    public let parameters: [String: String?]
    /// The seed of the experiment's random choices. Nil if it made none.
    public let seed: UInt64?

    /// For each kind of KVM: its module, the flag of the processors that have it, and the parameters of the module that change
    /// what slots cost.
    private static let kinds = [
        (kvm: "VMX", module: "kvm_intel", flag: "vmx", parameters: ["ept", "nested", "enable_apicv"]),
        (kvm: "SVM", module: "kvm_amd", flag: "svm", parameters: ["npt", "nested", "avic"]),
        (kvm: "PVM", module: "kvm_pvm", flag: "", parameters: ["pvm_native"]),
    ]
    /// The parameters of the module `kvm` that change what slots cost.
    private static let common = ["tdp_mmu", "mmio_caching", "eager_page_split", "nx_huge_pages", "halt_poll_ns"]

    /// Reads the environment from the host.
    ///
    /// - Parameter command: The command that prints the result, such as `stress fill`.
    public init(of command: String, version: Int = 1, seed: UInt64? = nil) {
        self.init(of: command, version: version, seed: seed) { path in
            (try? readFile(path)).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Reads the environment by means of `read`.
    ///
    /// - Parameter read: Returns the contents of a file, or nil if it cannot be read.
    init(of command: String, version: Int, seed: UInt64?, read: (String) -> String?) {
        func parameter(_ module: String, _ name: String) -> String? {
            read("/sys/module/\(module)/parameters/\(name)")?.trimmed
        }
        let lines = read("/proc/cpuinfo")?.split(separator: "\n") ?? []
        func processor(_ name: String) -> String? {
            let line = lines.first { $0.prefix { $0 != ":" }.trimmed == name }
            return line?.drop { $0 != ":" }.dropFirst().trimmed
        }
        let flags = processor("flags")?.split(separator: " ") ?? []
        // A kernel may have the modules of both vendors built in. Only the one for this processor works.
        let kind = Self.kinds.first { kind in
            (kind.flag.isEmpty || flags.contains(kind.flag[...]))
                && kind.parameters.contains { parameter(kind.module, $0) != nil }
        }
        schema = "swiftlet \(command) \(version)"
        swiftlet = Self.swiftletVersion
        date = Date().ISO8601Format()
        kernel = read("/proc/sys/kernel/osrelease")?.trimmed ?? "unknown"
        cpuModel = processor("model name") ?? "unknown"
        kvm = kind?.kvm ?? "unknown"
        cpus = HostThread.processorCount
        let names =
            Self.common.map { ("kvm", $0) } + (kind.map { kind in kind.parameters.map { (kind.module, $0) } } ?? [])
        parameters = Dictionary(uniqueKeysWithValues: names.map { ("\($0).\($1)", parameter($0, $1)) })
        self.seed = seed
    }

    /// The environment in one line, for people to read.
    public var line: String {
        "Linux \(kernel), \(cpuModel), \(cpus) CPUs, KVM: \(kvm), Swiftlet \(swiftlet), \(date)"
    }
}

extension StringProtocol {
    /// The words of the text with single spaces between them.
    fileprivate var trimmed: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}

/// A result together with the environment in which it was measured. It is one JSON object: the key `environment` stands beside
/// the keys of the result.
public struct Measured<Result: Codable>: Codable {
    /// The result.
    public let result: Result
    /// The environment in which it was measured.
    public let environment: HostEnvironment

    private enum Keys: CodingKey { case environment }

    /// Joins a result and its environment.
    public init(_ result: Result, in environment: HostEnvironment) {
        (self.result, self.environment) = (result, environment)
    }

    public init(from decoder: any Decoder) throws {
        result = try Result(from: decoder)
        environment = try decoder.container(keyedBy: Keys.self).decode(HostEnvironment.self, forKey: .environment)
    }

    public func encode(to encoder: any Encoder) throws {
        try result.encode(to: encoder)
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(environment, forKey: .environment)
    }
}
