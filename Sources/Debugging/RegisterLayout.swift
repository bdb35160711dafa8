/// The registers that a debugger finds on x86-64, in the order of the `g` packet (GDB manual, "i386 Features").
public enum RegisterLayout {
    /// A register in the target description.
    public struct Register: Sendable {
        /// The name of the register, as GDB has it.
        public let name: String
        /// The number of bits.
        public let bits: Int
        let type: String
        /// The index of the register's first byte in the `g` packet.
        public fileprivate(set) var offset = 0

        /// The number of bytes.
        public var size: Int { bits / 8 }
        /// The indices of the register's bytes in the `g` packet.
        public var range: Range<Int> { offset..<offset + size }

        fileprivate init(_ name: String, _ bits: Int, _ type: String? = nil) {
            self.name = name
            self.bits = bits
            self.type = type ?? "int\(bits)"
        }
    }

    /// GDB knows the features whose names begin with `org.gnu.gdb`, and expects all registers of such a feature.
    private static let features: [(name: String, registers: [Register])] = [
        ("org.gnu.gdb.i386.core", core),
        (
            "org.gnu.gdb.i386.sse",
            (0..<16).map { Register("xmm\($0)", 128, "vec128") } + [Register("mxcsr", 32, "mxcsr")]
        ),
        ("org.gnu.gdb.i386.segments", ["fs_base", "gs_base"].map { Register($0, 64) }),
        ("org.swiftlet.x86.system", ["cr0", "cr2", "cr3", "cr4", "cr8", "efer"].map { Register($0, 64) }),
    ]

    private static let core: [Register] =
        ["rax", "rbx", "rcx", "rdx", "rsi", "rdi"].map { Register($0, 64) }
        + ["rbp", "rsp"].map { Register($0, 64, "data_ptr") }
        + (8..<16).map { Register("r\($0)", 64) }
        + [Register("rip", 64, "code_ptr"), Register("eflags", 32, "flags")]
        + ["cs", "ss", "ds", "es", "fs", "gs"].map { Register($0, 32) }
        + (0..<8).map { Register("st\($0)", 80, "i387_ext") }
        + ["fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"].map { Register($0, 32, "int") }

    /// All registers, with their offsets in the `g` packet.
    public static let registers: [Register] = {
        var offset = 0
        return features.flatMap(\.registers).map { register in
            var register = register
            register.offset = offset
            offset += register.size
            return register
        }
    }()

    /// The number of bytes of all registers.
    public static let size = registers.last?.range.upperBound ?? 0

    /// The target description, as XML.
    static let description: String = {
        var text = #"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">"#
        text += "<target><architecture>i386:x86-64</architecture>"
        for feature in features {
            text += #"<feature name="\#(feature.name)">"# + (types[feature.name] ?? "")
            for register in feature.registers {
                text += #"<reg name="\#(register.name)" bitsize="\#(register.bits)" type="\#(register.type)"/>"#
            }
            text += "</feature>"
        }
        return text + "</target>"
    }()

    /// The definitions of types that GDB does not know itself, by the feature whose registers have them.
    private static let types = [
        "org.gnu.gdb.i386.core": flags(
            "flags",
            [
                "CF": 0, "PF": 2, "AF": 4, "ZF": 6, "SF": 7, "TF": 8, "IF": 9, "DF": 10, "OF": 11, "NT": 14, "RF": 16,
                "VM": 17,
                "AC": 18, "VIF": 19, "VIP": 20, "ID": 21,
            ]),
        "org.gnu.gdb.i386.sse":
            #"<vector id="v4f" type="ieee_single" count="4"/><vector id="v2d" type="ieee_double" count="2"/>"#
            + #"<vector id="v16i8" type="int8" count="16"/><vector id="v8i16" type="int16" count="8"/>"#
            + #"<vector id="v4i32" type="int32" count="4"/><vector id="v2i64" type="int64" count="2"/>"#
            + #"<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>"#
            + #"<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/>"#
            + #"<field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/></union>"#
            + flags(
                "mxcsr",
                ["IE": 0, "DE": 1, "ZE": 2, "OE": 3, "UE": 4, "PE": 5, "DAZ": 6, "IM": 7, "DM": 8, "ZM": 9, "OM": 10]),
    ]

    private static func flags(_ id: String, _ bits: [String: Int]) -> String {
        let fields = bits.sorted { $0.value < $1.value }.map {
            #"<field name="\#($0.key)" start="\#($0.value)" end="\#($0.value)"/>"#
        }
        return #"<flags id="\#(id)" size="4">"# + fields.joined() + "</flags>"
    }
}
