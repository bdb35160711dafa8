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

/// A fuzzer of this name, whose sources are in Sources/NAME and whose corpus is in Corpora/NAME.
func fuzzer(_ name: String, _ libraries: String...) -> Target {
    .executableTarget(
        name: name,
        dependencies: ["Fuzzing"] + libraries.map { .product(name: $0, package: "swiftlet") },
        swiftSettings: settings)
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

        fuzzer("config-space", "PCI", "Devices", "Memslots"),
        fuzzer("image", "Images", "Board", "Memslots"),
        fuzzer("layout", "Layouts", "PCI", "Board", "Memslots"),
        fuzzer("lspci", "Layouts", "PCI", "Memslots"),
    ]
)
