// swift-tools-version: 6.2

import PackageDescription

/// Whether every warning is an error, by SWIFTLET_STRICT=1, as in the package that is used.
let isStrict = Context.environment["SWIFTLET_STRICT"] == "1"

/// The settings of all targets. They are those of the package that is used.
let settings: [SwiftSetting] =
    [
        .strictMemorySafety(),
        .treatWarning("StrictMemorySafety", as: .error),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (isStrict ? [.treatAllWarnings(as: .error)] : [])

func swiftlet(_ product: String) -> Target.Dependency {
    .product(name: product, package: "swiftlet")
}

let package = Package(
    name: "swiftlet-examples",
    dependencies: [
        .package(name: "swiftlet", path: "..", traits: [])
    ],
    targets: [
        .executableTarget(name: "hello", dependencies: [swiftlet("SwiftletKit")], swiftSettings: settings),
        .executableTarget(name: "port", dependencies: [swiftlet("SwiftletKit")], swiftSettings: settings),
        .executableTarget(
            name: "function",
            dependencies: [
                swiftlet("Machine"), swiftlet("PCI"), swiftlet("Devices"), swiftlet("Memslots"), swiftlet("Host"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "planner", dependencies: [swiftlet("Layouts"), swiftlet("Memslots")], swiftSettings: settings),
        .executableTarget(name: "slots", dependencies: [swiftlet("Memslots")], swiftSettings: settings),
        .executableTarget(name: "kvm", dependencies: [swiftlet("KVM")], swiftSettings: settings),
        .testTarget(name: "GuestTests", dependencies: [swiftlet("SwiftletKit")], swiftSettings: settings),
    ]
)
