// swift-tools-version: 6.2

import PackageDescription

/// The settings of all targets. They are those of the package that is measured.
let settings: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatWarning("StrictMemorySafety", as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func swiftlet(_ product: String) -> Target.Dependency {
    .product(name: product, package: "swiftlet")
}

let package = Package(
    name: "swiftlet-benchmarks",
    dependencies: [
        .package(name: "swiftlet", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // The baseline of all measurements: the bare system calls in plain C, without any library. Sources/floor-monitor and
        // floor-peak are not targets. scripts/bench compiles them with clang, because SwiftPM would link Swift's runtime into
        // them.
        .target(name: "Floor"),
        // The guests that Swiftlet and its peers boot.
        .target(name: "PeerGuests"),
        // The installer for address spaces that are measured without a kernel.
        .target(name: "IdleInstaller", dependencies: [swiftlet("Memslots")], swiftSettings: settings),
        .executableTarget(
            name: "swiftlet-bench",
            dependencies: [
                "Floor", "PeerGuests", "IdleInstaller", swiftlet("Board"), swiftlet("Memslots"), swiftlet("KVM"),
                swiftlet("Devices"), swiftlet("Machine"), swiftlet("Laboratory"), swiftlet("Images"),
                swiftlet("Layouts"), swiftlet("PCI"), swiftlet("VFIOUser"), swiftlet("Host"),
                swiftlet("SeededRandom"), swiftlet("Pictures"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .target(name: "CountedMalloc", path: "Tests/CountedMalloc"),
        .testTarget(
            name: "AllocationTests",
            dependencies: [
                "CountedMalloc", "IdleInstaller", swiftlet("Memslots"), swiftlet("Machine"), swiftlet("Images"),
            ],
            swiftSettings: settings),
    ]
)
