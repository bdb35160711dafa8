/// The parts of a module's symbol graph that the checks look at.
struct SymbolGraph: Decodable {
    struct Symbol: Decodable {
        struct Identifier: Decodable {
            let precise: String
        }

        struct Kind: Decodable {
            let identifier: String
            let displayName: String
        }

        struct Comment: Decodable {
            struct Line: Decodable {
                let text: String
            }

            let lines: [Line]
        }

        struct Location: Decodable {
            struct Position: Decodable {
                let line: Int
            }

            let uri: String
            let position: Position
        }

        struct Signature: Decodable {
            struct Parameter: Decodable {
                let name: String
                let internalName: String?
            }

            let parameters: [Parameter]?
        }

        let identifier: Identifier
        let kind: Kind
        let pathComponents: [String]
        let accessLevel: String
        let docComment: Comment?
        let functionSignature: Signature?
        /// The place in the sources, or nil for what the compiler has made.
        let location: Location?

        var hasSummary: Bool {
            docComment?.lines.contains { $0.text.contains { !$0.isWhitespace } } ?? false
        }

        /// The parameters that the comment describes, and the symbol does not have. Those that speak for themselves need no words, so
        /// DocC's own check, which wants all or none, is off.
        var unknownParameters: [String] {
            guard let functionSignature else { return [] }
            let known = Set((functionSignature.parameters ?? []).map { $0.internalName ?? $0.name })
            var (described, isList): ([Substring], Bool) = ([], false)
            for text in (docComment?.lines ?? []).map(\.text) {
                if let single = text.prefixMatch(of: #/\s*- Parameter (\w+):/#) { described.append(single.1) }
                if isList, let item = text.prefixMatch(of: #/\s+- (\w+):/#) { described.append(item.1) }
                if text.hasPrefix("- ") { isList = text.hasPrefix("- Parameters:") }
            }
            return described.map(String.init).filter { !known.contains($0) }
        }

        /// Whether the compiler has made the symbol, or it is only the extension around others.
        var isSynthesized: Bool {
            location == nil || kind.identifier == "swift.extension" || identifier.precise.contains("::SYNTHESIZED::")
        }
    }

    struct Relationship: Decodable {
        struct Origin: Decodable {
            let identifier: String
        }

        let source: String
        /// The requirement of a protocol whose documentation the source inherits.
        let sourceOrigin: Origin?
    }

    struct Module: Decodable {
        let name: String
    }

    let module: Module
    let symbols: [Symbol]
    let relationships: [Relationship]

    /// The public symbols that are not inherited. The documentation of a protocol's requirement holds for what implements it.
    var written: [Symbol] {
        let implementations = Set(relationships.filter { $0.sourceOrigin != nil }.map(\.source))
        return symbols.filter { !$0.isSynthesized && !implementations.contains($0.identifier.precise) }
    }
}
