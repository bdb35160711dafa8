import Foundation
import Testing

@testable import Debugging

@Suite("The registers that a debugger sees")
struct RegisterLayoutTests {
    @Test("registers lie side by side, and those that GDB knows are complete")
    func places() {
        var end = 0
        for register in RegisterLayout.registers {
            #expect(register.offset == end)
            end = register.range.upperBound
        }
        #expect(end == RegisterLayout.size)
        let names = RegisterLayout.registers.map(\.name)
        #expect(Set(names).count == names.count)
        // 24 general registers, 16 of the x87, XMM0 to XMM15 and MXCSR: the numbers that GDB gives them.
        #expect(names[16] == "rip" && names[24] == "st0" && names[40] == "xmm0" && names[56] == "mxcsr")
    }

    @Test("the description is XML that names each register and each type once")
    func description() throws {
        let document = try XMLText(RegisterLayout.description)
        #expect(document.names(of: "reg") == RegisterLayout.registers.map(\.name))
        let types = document.values("id", of: ["flags", "vector", "union"])
        #expect(Set(types).count == types.count)
        let known = ["data_ptr", "code_ptr", "i387_ext", "int", "int32", "int64"] + types
        for type in document.values("type", of: ["reg"]) { #expect(known.contains(type)) }
    }
}

/// The elements of a document with their attributes. It throws unless all elements that are opened are closed.
private struct XMLText {
    struct Malformed: Error {}
    var elements: [(name: String, attributes: [String: String])] = []

    init(_ text: String) throws {
        var open: [String] = []
        for tag in text.split(separator: "<") {
            guard let end = tag.firstIndex(of: ">") else { throw Malformed() }
            let inner = tag[..<end]
            if inner.hasPrefix("?") || inner.hasPrefix("!") { continue }
            if inner.hasPrefix("/") {
                guard let last = open.popLast(), last == inner.dropFirst() else { throw Malformed() }
                continue
            }
            let name = String(inner.prefix { $0 != " " && $0 != "/" })
            if !inner.hasSuffix("/") { open.append(name) }
            var attributes: [String: String] = [:]
            let parts = inner.split(separator: "\"", omittingEmptySubsequences: false)
            for index in stride(from: 0, to: parts.count - 1, by: 2) {
                guard let key = parts[index].split(separator: " ").last, key.hasSuffix("=") else { throw Malformed() }
                attributes[String(key.dropLast())] = String(parts[index + 1])
            }
            elements.append((name, attributes))
        }
        guard open.isEmpty else { throw Malformed() }
    }

    func names(of element: String) -> [String] { values("name", of: [element]) }

    func values(_ attribute: String, of elements: [String]) -> [String] {
        self.elements.filter { elements.contains($0.name) }.compactMap { $0.attributes[attribute] }
    }
}
