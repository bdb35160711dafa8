internal import Devices

/// Offsets of registers in the PCI Express capability of a port with a slot (PCIe, 7.5.3). A field of less than four bytes has the
/// offset of the register that holds it.
private enum SlotOffset {
    static let link: UInt64 = 0x10
    static let control: UInt64 = 0x18
}

/// Bits of the register that holds slot control and, as its upper half, slot status (PCIe, 7.5.3.10 and 7.5.3.11).
enum SlotBits {
    /// Power controller control: the power is off.
    static let powerOff: UInt32 = 1 << 10
    /// Hot-plug interrupt enable.
    static let interruptEnable: UInt32 = 1 << 5
    /// Presence detect state: the slot is occupied.
    static let isOccupied: UInt32 = 1 << 22
    static let buttonPressed: UInt32 = 1 << 16
    static let presenceChanged: UInt32 = 1 << 19
    static let commandCompleted: UInt32 = 1 << 20
    static let linkChanged: UInt32 = 1 << 24
    /// The events, which software clears by writing ones.
    static let events = buttonPressed | presenceChanged | commandCompleted | linkChanged
    /// Data link layer link active, in the register that holds link status.
    static let linkActive: UInt32 = 1 << 29

    /// Returns whether an event has occurred for which software has enabled the interrupt. The enable bits are in the lower half.
    /// Each is at the same place as its event in the upper half, except for the enable bit of the link's event, which is bit 12.
    static func raisesInterrupt(_ register: UInt32) -> Bool {
        let enabled = (register & 0xff) << 16 | (register >> 12 & 1) << 24
        return register & interruptEnable != 0 && register & enabled & events != 0
    }
}

extension CapabilityDescription {
    /// Returns the PCI Express capability of a port whose link has 2.5 GT/s and one lane (PCIe, 7.5.3). Without a slot the link is
    /// up.
    ///
    /// - Parameters:
    ///   - type: The kind of the port: 4 for a root port, 5 and 6 for the upstream and the downstream port of a switch.
    ///   - slot: The number of the port's slot, into which devices are plugged while the machine runs, or nil without a slot.
    public static func port(type: UInt8, slot: UInt8?) -> CapabilityDescription {
        var body = [UInt8](repeating: 0, count: 0x3a)
        body[0] = type << 4 | 2
        (body[0x0a], body[0x10], body[0x11]) = (0x11, 0x11, 0x20)
        var writable = [UInt8](repeating: 0, count: 0x18)
        (writable[6], writable[7]) = (0x0f, 0x70)
        if let slot {
            // The port has a slot, and its link says whether it is up. It is not up yet.
            (body[1], body[0x0c], body[0x11]) = (1, 0x10, 0)
            // The slot has an attention button, a power controller and both indicators. It allows surprise removal and hot plug.
            // The power and the indicators are off.
            (body[0x12], body[0x14], body[0x15]) = (0x7b, slot << 3, slot >> 5)
            (body[0x16], body[0x17]) = (0xc0, 0x07)
            (writable[0x16], writable[0x17]) = (0xf9, 0x17)
        }
        return CapabilityDescription(id: CapabilityID.express, offset: 0x40, body: body, writable: writable)
    }
}

extension FunctionDescription {
    /// The offset of a port's PCI Express capability, if the port has a slot that takes devices while the machine runs. Otherwise
    /// nil.
    var slotCapability: UInt64? {
        guard bridge?.hasSlot == true, recording == nil else { return nil }
        return capabilities.first { $0.id == CapabilityID.express && $0.version == nil && $0.size >= 0x1c }?.offset
    }
}

// MARK: - The slot of a port

extension PCIFunction {
    /// Whether the slot of the port gives power, or nil for a function without a slot.
    public var hasSlotPower: Bool? {
        shape.slot.map { config[register: $0 + SlotOffset.control] & SlotBits.powerOff == 0 }
    }

    /// Puts a device into the slot of the port before the machine runs. The slot has power, and the guest is not told of any event.
    public mutating func occupySlot() {
        guard let slot = shape.slot else { return }
        let control = slot + SlotOffset.control
        config.set(config[register: control] & ~SlotBits.powerOff, at: control)
        _ = setSlot(isOccupied: true)
        config.set(config[register: control] & ~SlotBits.events, at: control)
    }

    /// Tells the slot of the port whether a device is in it. The link is up while there is a device and the slot gives power. Each
    /// change is an event, for which the port may interrupt.
    ///
    /// - Parameter isButtonPressed: Whether somebody presses the attention button.
    public mutating func setSlot(isOccupied: Bool, isButtonPressed: Bool = false) -> AccessOutcome {
        guard let slot = shape.slot else { return AccessOutcome() }
        var (link, register) = (
            config[register: slot + SlotOffset.link], config[register: slot + SlotOffset.control]
        )
        if (register & SlotBits.isOccupied != 0) != isOccupied {
            register = (register ^ SlotBits.isOccupied) | SlotBits.presenceChanged
        }
        if (link & SlotBits.linkActive != 0) != (isOccupied && register & SlotBits.powerOff == 0) {
            link ^= SlotBits.linkActive
            register |= SlotBits.linkChanged
        }
        if isButtonPressed { register |= SlotBits.buttonPressed }
        config.set(link, at: slot + SlotOffset.link)
        return setSlotRegister(register)
    }

    /// Returns whether a register holds slot control and slot status.
    func isSlotRegister(_ register: UInt64) -> Bool { shape.slot.map { $0 + SlotOffset.control == register } ?? false }

    /// Writes slot control and slot status. Each write to slot control is a command, which is completed at once.
    mutating func writeSlot(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> AccessOutcome {
        let register = offset & ~3
        let old = config[register: register]
        let cleared = UInt32(truncatingIfNeeded: width.mask(value)) << (8 * UInt32(offset & 3)) & SlotBits.events
        var new = (config.written(value, at: offset, width: width) ?? old) & ~cleared
        if offset & 3 < 2 { new |= SlotBits.commandCompleted }
        var outcome = setSlotRegister(new)
        outcome.changesSlot = (old ^ new) & SlotBits.powerOff != 0
        return outcome
    }

    /// Sets the register with slot control and slot status. The interrupt line is up while the register asks for an interrupt, and
    /// a message is sent when it begins to do so (PCIe, 6.7.3.4).
    private mutating func setSlotRegister(_ new: UInt32) -> AccessOutcome {
        guard let slot = shape.slot else { return AccessOutcome() }
        let control = slot + SlotOffset.control
        let before = SlotBits.raisesInterrupt(config[register: control])
        config.set(new, at: control)
        let now = SlotBits.raisesInterrupt(new)
        setInterruptStatus(now)
        guard now, !before, isMSIEnabled || isMSIXEnabled, let message = raise(vector: 0) else {
            return AccessOutcome()
        }
        return AccessOutcome(messages: [message])
    }

    /// The registers of the slot with their values, which a reset of the port does not change.
    var slotRegisters: [(offset: UInt64, value: UInt32)] {
        guard let slot = shape.slot else { return [] }
        return [SlotOffset.link, SlotOffset.control].map { (slot + $0, config[register: slot + $0]) }
    }
}
