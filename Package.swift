// swift-tools-version: 6.2

import PackageDescription

/// Whether every warning is an error, by SWIFTLET_STRICT=1. It is not the default, because a fresh clone must also build under a
/// newer compiler, which may know more warnings.
let isStrict = Context.environment["SWIFTLET_STRICT"] == "1"

/// The settings of every Swift target. Swift 6 mode comes with the tools version. `unsafe` must be written wherever memory safety
/// is not checked, and leaving it out is an error.
let settings: [SwiftSetting] =
    [
        .strictMemorySafety(),
        .treatWarning("StrictMemorySafety", as: .error),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (isStrict ? [.treatAllWarnings(as: .error)] : [])

let cSettings: [CSetting] = isStrict ? [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])] : []

/// The options that make the release executable static. It starts in half the time and needs half the memory of a dynamic one.
let staticExecutable = ["-static-executable"]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Command"]))

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
    name: "swiftlet",
    products: [
        .executable(name: "swiftlet", targets: ["swiftlet"]),
        // Everything for programs that own a machine. The other libraries are its parts.
        .library(name: "SwiftletKit", targets: ["SwiftletKit"]),
        .library(name: "Memslots", targets: ["Memslots"]),
        .library(name: "Board", targets: ["Board"]),
        .library(name: "Devices", targets: ["Devices"]),
        .library(name: "Images", targets: ["Images"]),
        .library(name: "Firmware", targets: ["Firmware"]),
        .library(name: "PCI", targets: ["PCI"]),
        .library(name: "Layouts", targets: ["Layouts"]),
        .library(name: "VFIOUser", targets: ["VFIOUser"]),
        .library(name: "Debugging", targets: ["Debugging"]),
        .library(name: "Host", targets: ["Host"]),
        .library(name: "KVM", targets: ["KVM"]),
        .library(name: "VFIO", targets: ["VFIO"]),
        .library(name: "Machine", targets: ["Machine"]),
        .library(name: "SeededRandom", targets: ["SeededRandom"]),
        .library(name: "Laboratory", targets: ["Laboratory"]),
        .library(name: "Pictures", targets: ["Pictures"]),
    ],
    // A package that uses only the libraries leaves this trait out (`traits: []`), and fetches no argument parser.
    traits: [
        .trait(name: "Command", description: "The command, which parses arguments."),
        .default(enabledTraits: ["Command"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        // Pure modules, which use neither Glibc nor KVM.
        library("Memslots"),
        library("Devices", ["Memslots"]),
        library("Board", ["Memslots"]),
        library("Images", ["Board", "Memslots"]),
        library("Firmware", ["Board", "Memslots"]),
        library("PCI", ["Board", "Memslots", "Devices"]),
        library("Layouts", ["PCI", "Board", "Memslots"]),
        library("Debugging"),
        library("SeededRandom"),
        library("Pictures"),

        // Modules that call the kernel: for KVM, for VFIO, and for the rest of the host.
        .target(name: "CKVM", cSettings: cSettings),
        library("KVM", ["CKVM", system]),
        .target(name: "CHost", cSettings: cSettings),
        library("Host", ["CHost", system]),
        .target(name: "CVFIO", cSettings: cSettings),
        library("VFIO", ["CVFIO", "Host", "PCI", "Memslots", system]),

        // PCI devices that other processes offer or use.
        library("VFIOUser", ["Host", "PCI", "Devices"]),

        // The built-in guests: assembly sources and the table that describes them.
        .target(name: "CGuests", path: "guests", exclude: ["README.md", "template"], cSettings: cSettings),

        library(
            "Machine",
            [
                "KVM", "Host", "VFIO", "Board", "Memslots", "Devices", "Images", "Firmware", "PCI", "Layouts",
                "Debugging", "VFIOUser", "CGuests",
                system,
            ]),
        library(
            "SwiftletKit",
            ["Machine", "KVM", "Host", "Board", "Memslots", "Devices", "Images", "PCI", "Layouts"]),
        library(
            "Laboratory",
            [
                "Machine", "KVM", "Host", "Board", "Memslots", "Devices", "Images", "PCI", "Layouts", "SeededRandom",
                system,
            ]),
        .executableTarget(
            name: "swiftlet",
            dependencies: [
                "Laboratory", "Machine", "Host", "Images", "Firmware", "Board", "Memslots", "Devices", "PCI", "Layouts",
                "Pictures", "KVM", "VFIO", "VFIOUser",
                argumentParser, system,
            ],
            // Template is a symbolic link to guests/template.
            resources: [.embedInCode("Template"), .embedInCode("Map.html")],
            swiftSettings: settings + [.unsafeFlags(staticExecutable, .when(configuration: .release))],
            linkerSettings: [.unsafeFlags(staticExecutable, .when(configuration: .release))]
        ),

        tests("MemslotsTests", ["PropertySupport", "Memslots"]),
        tests("BoardTests", ["PropertySupport", "Board", "Memslots"]),
        tests("DevicesTests", ["PropertySupport", "Devices"]),
        tests("ImagesTests", ["PropertySupport", "ImageFixtures", "Images", "Board", "Memslots"]),
        tests("FirmwareTests", ["PropertySupport", "Firmware", "Board", "Memslots"]),
        tests("PCITests", ["PropertySupport", "PCISupport", "PCI", "Board", "Memslots", "Devices"]),
        tests("LayoutsTests", ["PropertySupport", "LayoutFixtures", "Layouts", "PCI", "Board", "Memslots", "Devices"]),
        tests("VFIOUserTests", ["PropertySupport", "VFIOUserSupport", "VFIOUser", "Host", "PCI", "Devices"]),
        tests("DebuggingTests", ["PropertySupport", "Debugging"]),
        tests("VFIOTests", ["PropertySupport", "VFIO", "PCI", "Memslots"]),
        tests("HostTests", ["Host", "JailProbe"]),
        .executableTarget(
            name: "JailProbe", dependencies: ["Host"], path: "Tests/JailProbe",
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]),

        // The seeds of the property tests.
        .target(
            name: "PropertySupport", dependencies: ["SeededRandom"], path: "Tests/PropertySupport",
            swiftSettings: settings),

        // PCI functions on a bus, without a machine.
        .target(
            name: "PCISupport", dependencies: ["PCI", "Memslots", "Devices"], path: "Tests/PCISupport",
            swiftSettings: settings),

        // A vfio-user server whose answers a test chooses.
        .target(
            name: "VFIOUserSupport", dependencies: ["VFIOUser", "Host", "PCI", "Devices"],
            path: "Tests/VFIOUserSupport",
            swiftSettings: settings),

        // Dumps of machines that do not exist.
        .target(name: "LayoutFixtures", path: "Tests/LayoutFixtures", swiftSettings: settings),

        // Kernel images of a few bytes.
        .target(name: "ImageFixtures", path: "Tests/ImageFixtures", swiftSettings: settings),

        // Tests that use a real KVM if there is one.
        .target(name: "LiveSupport", dependencies: ["KVM"], path: "Tests/LiveSupport", swiftSettings: settings),
        tests("KVMTests", ["KVM", "Host", "LiveSupport", system]),
        tests(
            "MachineTests",
            [
                "PropertySupport", "VFIOUserSupport", "VFIOUser", "Machine", "Debugging", "KVM", "Host", "Board",
                "Memslots", "Devices", "Images",
                "Firmware", "PCI", "Layouts", "LayoutFixtures", "ImageFixtures", "LiveSupport",
            ]),
        tests(
            "LaboratoryTests",
            [
                "PropertySupport", "SeededRandom", "Laboratory", "Machine", "Board", "Memslots", "Layouts", "PCI",
                "LiveSupport",
            ]),
        tests(
            "CommandLineTests",
            [
                "swiftlet", "Laboratory", "Machine", "Host", "VFIOUser", "Images", "Layouts", "PCI", "Memslots",
                "Pictures",
                "PropertySupport", "LayoutFixtures", "ImageFixtures", "LiveSupport", argumentParser,
            ]),
    ]
)

// With SWIFTLET_PURE=1, the package has only its pure modules and their tests.
if Context.environment["SWIFTLET_PURE"] == "1" {
    let modules = ["Memslots", "Devices", "Board", "Images", "Firmware", "PCI", "Layouts", "Debugging"]
    let names = Set(modules + modules.map { "\($0)Tests" })
        .union(["SeededRandom", "PropertySupport", "PCISupport", "LayoutFixtures", "ImageFixtures"])
    package.targets.removeAll { !names.contains($0.name) }
    package.products.removeAll { !names.contains($0.name) }
    package.dependencies = []
}
