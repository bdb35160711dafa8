/// Where something is drawn.
struct Box {
    var left, top, right, bottom: Double

    /// As wide as its characters, 0.6 em each.
    init?(text element: SVGElement) {
        guard let x = element.number("x"), let y = element.number("y"), let size = element.number("font-size") else {
            return nil
        }
        let width = 0.6 * size * Double(element.text.count)
        let shift: Double = ["middle": 0.5, "end": 1.0][element.attributes["text-anchor"] ?? "start"] ?? 0
        (left, right) = (x - shift * width, x - shift * width + width)
        (top, bottom) = (y - 0.8 * size, y + 0.2 * size)
    }

    init?(shape element: SVGElement) {
        if let canvas = element.attributes["viewBox"]?.split(separator: " ").compactMap({ Double($0) }),
            canvas.count == 4
        {
            (left, top, right, bottom) = (canvas[0], canvas[1], canvas[0] + canvas[2], canvas[1] + canvas[3])
            return
        }
        guard let width = element.number("width"), let height = element.number("height") else { return nil }
        (left, top) = (element.number("x") ?? 0, element.number("y") ?? 0)
        (right, bottom) = (left + width, top + height)
    }

    func contains(_ other: Box) -> Bool {
        left <= other.left && other.right <= right && top <= other.top && other.bottom <= bottom
    }

    func overlaps(_ other: Box) -> Bool {
        left < other.right && other.left < right && top < other.bottom && other.top < bottom
    }
}

/// An element of a drawing, with the text right in it.
struct SVGElement {
    var name: String
    var attributes: [String: String] = [:]
    var text = ""

    func number(_ attribute: String) -> Double? { attributes[attribute].flatMap(Double.init) }

    struct Malformed: Error {
        var near: String
    }

    /// All elements in the order of their beginnings; throws where tags do not balance, an attribute is not quoted or
    /// something is not escaped.
    static func all(in document: String) throws -> [SVGElement] {
        var elements: [SVGElement] = []
        var open: [Int] = []
        var rest = Substring(document)
        while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
            let malformed = Malformed(near: String(rest[start...].prefix(80)))
            let text = try unescaped(rest[..<start])
            if let current = open.last { elements[current].text += text }
            var tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.first == "/" {
                guard let current = open.popLast(), elements[current].name == tag.dropFirst() else { throw malformed }
                continue
            }
            guard !open.isEmpty || elements.isEmpty, !tag.contains("<") else { throw malformed }
            let isEmpty = tag.last == "/"
            if isEmpty { tag.removeLast() } else { open.append(elements.count) }
            elements.append(SVGElement(name: String(tag.prefix { $0 != " " })))
            // Names and values by turns.
            let parts = tag.drop { $0 != " " }.split(separator: "\"", omittingEmptySubsequences: false)
            guard parts.count % 2 == 1, parts.last == "" else { throw malformed }
            for index in stride(from: 0, to: parts.count - 1, by: 2) {
                let (name, value) = (parts[index], parts[index + 1])
                guard name.first == " ", name.last == "=" else { throw malformed }
                elements[elements.count - 1].attributes[String(name.dropFirst().dropLast())] = try unescaped(value)
            }
        }
        guard open.isEmpty, !elements.isEmpty, rest == "\n" else { throw Malformed(near: "the end") }
        return elements
    }

    private static func unescaped(_ text: Substring) throws -> String {
        let entities: [Substring: Character] = ["lt": "<", "gt": ">", "amp": "&", "quot": "\""]
        var parts = text.split(separator: "&", omittingEmptySubsequences: false)[...]
        var result = String(parts.removeFirst())
        for part in parts {
            guard let end = part.firstIndex(of: ";"), let character = entities[part[..<end]] else {
                throw Malformed(near: String(part.prefix(20)))
            }
            result.append(character)
            result += part[part.index(after: end)...]
        }
        return result
    }
}
