import Fuzzing

/// A writer of layout files by a program of choices. The keys are right, and the values are at the edges of what they may be.
///
/// Changes of plain bytes give valid JSON too seldom to reach the inner parts of a function.
struct LayoutText {
    private var program: Program

    static func write(_ program: Program) -> String {
        var text = LayoutText(program: program)
        let functions = text.list(of: 3) { $0.function() }
        return #"{"name":"n","functions":\#(functions)}"#
    }

    private mutating func function() -> String {
        let keys = program.byte()
        let address = UInt16(truncatingIfNeeded: program.number(bytes: 2))
        var parts = [#""at":"\#(hex(address >> 8)):\#(hex(address >> 3 & 31)).\#(address & 7)""#]
        func has(_ bit: UInt8) -> Bool { keys >> bit & 1 != 0 }
        if has(0) { parts.append(#""bars":\#(list(of: 6) { $0.bar() })"#) }
        if has(1) { parts.append(#""rom":\#(number())"#) }
        if has(2) { parts.append(#""msi":\#(number())"#) }
        if has(3) {
            parts.append(#""msix":{"vectors":\#(number()),"table":\#(location()),"pendingBits":\#(location())}"#)
        }
        if has(4) { parts.append(#""doorbell":\#(location())"#) }
        if has(5) { parts.append(#""class":\#(number()),"device":\#(number())"#) }
        if has(6) { parts.append(#""repeat":\#(program.byte())"#) }
        return "{\(parts.joined(separator: ","))}"
    }

    private mutating func bar() -> String {
        let choice = program.byte()
        let kind = ["memory32", "memory64", "io", "memory64"][Int(choice >> 3 & 3)]
        let registers = choice >> 5 & 1 == 0 ? "" : #","registers":\#(list(of: 3) { $0.registers() })"#
        return
            #"{"bar":\#(choice & 7),"kind":"\#(kind)","size":\#(number()),"prefetchable":\#(choice >> 6 & 1 == 0)\#(registers)}"#
    }

    private mutating func registers() -> String {
        #"{"offset":\#(number()),"size":\#(number())}"#
    }

    private mutating func location() -> String {
        #"{"bar":\#(program.byte() & 7),"offset":\#(number())}"#
    }

    private mutating func list(of most: UInt8, _ element: (inout LayoutText) -> String) -> String {
        "[\((0..<program.byte() % (most + 1)).map { _ in element(&self) }.joined(separator: ","))]"
    }

    /// Writes a power of two or the number below it, or any other number, in one of the possible forms.
    private mutating func number() -> String {
        let choice = program.byte()
        let power: UInt64 = 1 << UInt64(choice & 63)
        switch choice >> 6 {
        case 0: return "\(power)"
        case 1: return "\(power &- 1)"
        case 2:
            let unit = ["K", "M", "G", "T"][Int(choice & 3)]
            return #""\#(program.byte())\#(unit)""#
        default: return #""0x\#(String(program.number(bytes: Int(choice & 7) + 1), radix: 16))""#
        }
    }

    private func hex(_ value: UInt16) -> String {
        String(value, radix: 16)
    }
}
