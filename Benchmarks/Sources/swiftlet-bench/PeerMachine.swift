import FoundationEssentials

/// A guest and its functions, as command lines for QEMU and for Swiftlet.
///
/// Each function has 256 bytes of registers as BAR 0 and a page of memory as BAR 2, as QEMU's `ivshmem-plain` does.
struct PeerMachine {
    enum Guest: String {
        case hello, bars

        /// The byte that the guest prints when it is done.
        var byte: String { self == .hello ? "H" : "R" }
    }

    let guest: Guest
    /// The number of memory BARs.
    let bars: Int
    private let directory: URL

    /// Writes the guest and the layout to files, where both monitors find them.
    init(_ guest: Guest, bars: Int = 0, in directory: URL) throws {
        self.guest = guest
        self.bars = bars
        self.directory = directory
        for guest in [guest, .hello] {
            try Data(guest.image).write(to: image(guest))
        }
        if bars > 0, bars <= Self.mostOnBus {
            try Data(layoutText.utf8).write(to: layout)
        }
    }

    /// The number of functions that bus 0 has room for, beside those of the chipset.
    private static let mostOnBus = 224
    private static let firstDevice = 4

    private func image(_ guest: Guest) -> URL { directory.appending(path: "\(guest.rawValue).rom") }
    private var layout: URL { directory.appending(path: "\(bars).json") }

    private var layoutText: String {
        """
        {"name": "\(bars) memory BARs", "functions": [{"at": "00:04.0", "repeat": \(bars), "bars": [
          {"bar": 0, "kind": "memory32", "size": 256},
          {"bar": 2, "kind": "memory64", "size": "4K", "prefetchable": true}]}]}
        """
    }

    /// Returns the command line for Swiftlet. If the BARs do not fit on bus 0, the layout is the preset `full-bus`: 2048 slots
    /// in 256 functions. The guest `bars` finds BARs as after reset, as in QEMU, and places them. For `hello` they are placed
    /// and mapped at boot.
    func swiftlet(_ executable: String, guest: Guest) -> [String] {
        let layout = bars == 0 ? [] : ["--layout", bars <= Self.mostOnBus ? layout.path : "full-bus"]
        return [
            executable, "run", image(guest).path, "--mode", "real", "--load-address", "0xf0000", "--memory", "16M",
            "--report", "-",
        ] + layout + (bars > 0 && guest == .bars ? ["--unassigned"] : [])
    }

    /// Returns the command line for QEMU, with as lean a PC as possible. If the functions do not fit on bus 0, they lie behind
    /// bridges.
    func qemu(_ executable: String) -> [String] {
        [
            executable, "-machine", "pc", "-accel", "kvm", "-m", "16M", "-nodefaults",
            "-no-user-config", "-display", "none", "-bios", image(guest).path, "-debugcon", "stdio",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
        ] + qemuFunctions
    }

    /// QEMU reads the numbers of devices as hexadecimal.
    private static func hex(_ number: Int) -> String {
        String(number, radix: 16)
    }

    private var qemuFunctions: [String] {
        var arguments: [String] = []
        for number in 0..<bars {
            var bus = "pci.0"
            var place = number + Self.firstDevice * 8
            if bars > Self.mostOnBus {
                let bridge = number / 256
                bus = "bridge\(bridge)"
                place = number % 256
                if place == 0 {
                    let place = "addr=\(Self.hex(Self.firstDevice + bridge)),chassis_nr=\(bridge + 1)"
                    arguments += ["-device", "pci-bridge,id=\(bus),bus=pci.0,\(place),shpc=off"]
                }
            }
            arguments += [
                "-object", "memory-backend-ram,id=memory\(number),size=4K", "-device",
                "ivshmem-plain,memdev=memory\(number),bus=\(bus),addr=\(Self.hex(place / 8)).\(place % 8),multifunction=on",
            ]
        }
        return arguments
    }
}
