/// Functions that write numbers for people.
public enum Figures {
    /// Returns a number of things, such as `1 slot` or `32,764 slots`.
    public static func count(_ count: Int, _ noun: String) -> String {
        "\(grouped(count)) \(noun)\(count == 1 ? "" : "s")"
    }

    /// Returns a number of bytes, such as `16 KiB`, `748 MiB` or `1.5 GiB`, with one decimal if it is not whole.
    public static func size(_ size: UInt64) -> String {
        // A number that is less than half a tenth below 1024 would be rounded up to 1024.
        scaled(Double(size), by: 1024, from: 1023.95, ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]) { _ in 10 }
    }

    /// Returns a time with three significant digits, such as `812 ns`, `7.25 us`, `24.1 us`, `612 ms` or `1.9 s`.
    public static func time(_ microseconds: Double) -> String {
        // A number that is less than a half below 1000 would be rounded up to 1000.
        scaled(microseconds * 1000, by: 1000, from: 999.5, ["ns", "us", "ms", "s"]) {
            $0 < 9.995 ? 100 : $0 < 99.95 ? 10 : 1
        }
    }

    /// Returns a share, such as `12.5 %`. A share below a tenth of a percent is `< 0.1 %`, unless it is zero.
    public static func percent(_ part: UInt64, of whole: UInt64) -> String {
        let percent = whole == 0 ? 0 : Double(part) / Double(whole) * 100
        return percent > 0 && percent < 0.1 ? "< 0.1 %" : "\(decimal(percent, parts: 10)) %"
    }

    /// Returns a number that is not negative, with its digits in groups of three: `32,764`.
    public static func grouped(_ number: some BinaryInteger) -> String {
        let digits = Array("\(number)")
        let parts = digits.indices.map { ($0 > 0 && (digits.count - $0) % 3 == 0 ? "," : "") + String(digits[$0]) }
        return parts.joined()
    }

    /// Returns the value in the first unit in which it is below `limit`, or in the last unit. The value is rounded to one part of a
    /// whole: `parts` returns how many such parts a whole has, for example 10 for one decimal.
    private static func scaled(
        _ value: Double, by factor: Double, from limit: Double, _ units: [String], parts: (Double) -> Int
    ) -> String {
        var (value, unit) = (value, 0)
        while value >= limit, unit + 1 < units.count { (value, unit) = (value / factor, unit + 1) }
        return "\(decimal(value, parts: parts(value))) \(units[unit])"
    }

    /// Returns the text of a value that is rounded to one part of a whole. `parts` is the number of parts in a whole, a power of
    /// ten: 10 for one decimal.
    private static func decimal(_ value: Double, parts: Int) -> String {
        let rounded = Int((value * Double(parts)).rounded())
        var fraction = "\(parts + rounded % parts)".dropFirst()
        while fraction.last == "0" { fraction.removeLast() }
        return grouped(rounded / parts) + (fraction.isEmpty ? "" : ".") + fraction
    }
}
