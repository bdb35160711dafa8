/// Numbers as people read them.
public enum Figures {
    public static func hex(_ address: UInt64) -> String {
        "0x" + String(address, radix: 16)
    }

    public static func count(_ count: Int, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    /// `16 KiB`, `748 MiB`, `1.5 GiB`: one decimal where it is not whole.
    public static func size(_ size: UInt64) -> String {
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var (value, unit) = (Double(size), 0)
        // What is less than a tenth below 1024 would be rounded up to it.
        while value >= 1023.95, unit + 1 < units.count { (value, unit) = (value / 1024, unit + 1) }
        return "\(decimal(value)) \(units[unit])"
    }

    public static func percent(_ part: UInt64, of whole: UInt64) -> String {
        let percent = whole == 0 ? 0 : Double(part) / Double(whole) * 100
        return percent > 0 && percent < 0.1 ? "< 0.1 %" : "\(decimal(percent)) %"
    }

    /// How often 1 has to be doubled to come near to a size, from below.
    public static func doublings(_ size: UInt64) -> Int {
        max(0, 63 - size.leadingZeroBitCount)
    }

    private static func decimal(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}

extension Figures {
    public static let timeUnits = ["ns", "us", "ms", "s"]

    /// `812 ns`, `7.25 us`, `24.1 us`, `612 ms`, `1.9 s`: three digits that count.
    public static func time(_ microseconds: Double) -> String {
        var (value, unit) = (microseconds * 1000, 0)
        // What is less than half below 1000 would be rounded up to it.
        while value >= 999.5, unit + 1 < timeUnits.count { (value, unit) = (value / 1000, unit + 1) }
        let steps = value < 9.995 ? 100 : value < 99.95 ? 10 : 1
        let parts = Int((value * Double(steps)).rounded())
        var fraction = "\(100 + parts % steps * (100 / steps))".dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return "\(grouped(parts / steps))\(fraction.isEmpty ? "" : ".")\(fraction) \(timeUnits[unit])"
    }

    /// `1 slot`, `32,764 slots`.
    public static func grouped(_ number: Int, _ noun: String) -> String {
        "\(grouped(number)) \(noun)\(number == 1 ? "" : "s")"
    }

    /// `32,764`: what is not negative, by thousands.
    public static func grouped(_ number: some BinaryInteger) -> String {
        var (rest, text) = (Substring("\(number)"), "")
        while rest.count > 3 {
            text = ",\(rest.suffix(3))\(text)"
            rest.removeLast(3)
        }
        return rest + text
    }
}
