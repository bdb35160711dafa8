// swift-tools-version: 6.2

import PackageDescription

/// The same settings as in the package that is fuzzed.
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

/// A fuzzer of this name, whose sources are in Sources/NAME and whose corpus is in Corpora/NAME.
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
        // The door into libFuzzer, which comes with the toolchain and has the main function; `scripts/fuzz` builds with
        // --sanitize=fuzzer.
        .target(name: "CFuzzing"),
        .target(name: "Fuzzing", dependencies: ["CFuzzing"], swiftSettings: settings),

        // Functions on a bus, as the tests have them.
        .target(
            name: "PCISupport", dependencies: [library("PCI"), library("Devices"), library("Memslots")],
            swiftSettings: settings),

        // What holds of every dump, whichever reader made it.
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
