// swift-tools-version: 6.2

import PackageDescription

/// The same settings as in the package that is measured.
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
        // What everything is measured against: the bare system calls in plain C, and no library. Sources/floor-monitor is not
        // a target: scripts/bench compiles it with clang, for SwiftPM would link Swift's runtime into it.
        .target(name: "Floor"),
        .target(name: "CountedMalloc"),
        .executableTarget(
            name: "swiftlet-bench",
            dependencies: [
                "Floor", "CountedMalloc", swiftlet("Memslots"), swiftlet("KVM"), swiftlet("Machine"),
                swiftlet("Images"), swiftlet("Layouts"), swiftlet("SeededRandom"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
    ]
)
