// swift-tools-version: 6.2

import PackageDescription

// A package of its own, so that nobody who uses Swiftlet fetches the plugin. `scripts/docs` runs it.
let package = Package(
    name: "Swiftlet",
    dependencies: [
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", exact: "1.5.0"),
        .package(name: "swiftlet", path: "..", traits: []),
    ],
    targets: [
        // Depends on the product that needs all others, so that the plugin finds their modules.
        .target(name: "Products", dependencies: [.product(name: "Laboratory", package: "swiftlet")]),
        .executableTarget(name: "check"),
    ]
)
