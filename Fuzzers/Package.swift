// swift-tools-version: 6.2

import PackageDescription

/// The settings of all targets. They are those of the package that is fuzzed.
let settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatWarning("StrictMemorySafety", as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func library(_ name: String) -> Target.Dependency {
    .product(name: name, package: "swiftlet")
}

/// Makes the target of a fuzzer. Its sources are in Sources/NAME, and its corpus is in Corpora/NAME.
func fuzzer(_ name: String, _ libraries: String..., beside targets: [Target.Dependency] = []) -> Target {
    .executableTarget(
        name: name, dependencies: ["Fuzzing"] + targets + libraries.map(library), swiftSettings: settings)
}

let package = Package(
    name: "swiftlet-fuzz",
    dependencies: [
        .package(name: "swiftlet", path: "..")
    ],
    targets: [
        // The connection to libFuzzer, which comes with the toolchain and has the main function. `scripts/fuzz` builds with
        // --sanitize=fuzzer.
        .target(name: "CFuzzing"),
        .target(name: "Fuzzing", dependencies: ["CFuzzing"], swiftSettings: settings),

        // PCI functions on a bus, which the tests use too.
        .target(
            name: "PCISupport", dependencies: [library("PCI"), library("Devices"), library("Memslots")],
            swiftSettings: settings),

        // The checks that every dump must pass, whichever reader made it.
        .target(
            name: "DumpCheck", dependencies: ["Fuzzing", library("Layouts"), library("PCI"), library("Memslots")],
            swiftSettings: settings),

        fuzzer("config-space", "PCI", "Devices", "Memslots", beside: ["PCISupport"]),
        fuzzer("debugger", "Debugging"),
        fuzzer("image", "Images", "Board", "Memslots"),
        fuzzer("layout", "Layouts", "PCI", "Board", "Memslots", beside: ["PCISupport"]),
        fuzzer("lspci", "Layouts", beside: ["DumpCheck"]),
        fuzzer("sysfs", "Layouts", beside: ["DumpCheck"]),
        fuzzer("vfio-user", "VFIOUser", "PCI"),
    ]
)
