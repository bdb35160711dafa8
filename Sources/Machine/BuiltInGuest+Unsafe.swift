internal import CGuests
internal import Images
internal import Memslots
internal import PCI

/// A guest that comes with Swiftlet: its image and the machine that it needs.
public struct BuiltInGuest: Sendable {
    /// The name by which `swiftlet run` knows the guest.
    public let name: String
    /// What the guest shows, in one line.
    public let shows: String
    /// The guest's image: a multiboot kernel, or a flat image that is loaded at `MachineConfiguration.defaultLoadAddress`.
    public let image: [UInt8]
    /// The configuration of the machine that the guest needs. A program may add to it.
    public let configuration: MachineConfiguration

    private static var table: UnsafeBufferPointer<cguests_guest> {
        // SAFETY: the table is constant and holds `cguests_count` guests.
        unsafe UnsafeBufferPointer(start: cguests_table, count: cguests_count)
    }

    /// All guests, in the order in which `swiftlet guests` lists them. Each access makes them anew.
    public static var all: [BuiltInGuest] {
        // SAFETY: the guests in the table are constant too.
        unsafe table.map { unsafe BuiltInGuest($0) }
    }

    /// Returns the guest with a name, or nil if there is none. Only this guest is made, and not all of `all`.
    public static func named(_ name: String) -> BuiltInGuest? {
        // SAFETY: the table is constant and holds `cguests_count` guests, and names end in a zero byte.
        unsafe table.first { unsafe String(cString: $0.name) == name }.map { unsafe BuiltInGuest($0) }
    }

    /// An initial RAM disk with which Linux prints the sysfs files of PCI functions, as `SysfsReader.files` reads them, and
    /// then switches the machine off.
    public static var linuxDisk: [UInt8] {
        // SAFETY: the disk lies between its two labels.
        unsafe Array(
            UnsafeBufferPointer(start: cguests_linux_disk, count: cguests_linux_disk_end - cguests_linux_disk))
    }

    private init(_ guest: cguests_guest) {
        // SAFETY: names end in a zero byte, and the image lies between its two labels.
        unsafe name = String(cString: guest.name)
        unsafe shows = String(cString: guest.shows)
        let image = unsafe UnsafeBufferPointer(start: guest.start, count: guest.end - guest.start)
        self.image = unsafe Array(image)
        let slots = unsafe [guest.slots.0, guest.slots.1].prefix(guest.slot_count)
        var configuration = MachineConfiguration(
            memory: unsafe guest.memory,
            mode: unsafe CPUMode(guest.mode),
            vcpus: unsafe Int(guest.vcpus),
            interruptController: unsafe guest.irqchip ? .kernel : .none,
            extraSlots: slots.compactMap { slot in
                GuestRange(first: GuestAddress(slot.address), size: slot.size).map {
                    ExtraSlot(range: $0, access: slot.read_only ? .readOnly : .readWrite)
                }
            })
        if unsafe guest.pci_testdev {
            configuration.functions = [FunctionAddress(requesterID: 1 << 3): PCITestDevice()]
        }
        self.configuration = configuration
    }
}

extension CPUMode {
    fileprivate init(_ mode: cguests_mode) {
        switch mode {
        case .real: self = .real
        case .protected: self = .protected
        case .long: self = .long
        }
    }
}
