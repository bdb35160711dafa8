import Board
import FoundationEssentials
import Fuzzing
import Layouts
import Memslots
import PCI
import PCISupport

/// A fuzzer that takes any bytes as a layout file. After a zero byte, they are choices by which a layout file is written. The
/// file must be refused, or give functions that can be made and placed.
enum LayoutFuzzer {
    private static let apertures = Apertures(
        low: range(0xd000_0000...0xfebf_ffff), high: range(4 << 30...(4 << 30) + (16 << 40) - 1))

    static func start() {
        fuzz { bytes in
            let text = bytes.first == 0 ? Array(LayoutText.write(Program(Array(bytes.dropFirst()))).utf8) : bytes
            guard let layout = read(text) else { return }
            for (left, right) in zip(layout.functions, layout.functions.dropFirst()) {
                expect(left.address < right.address, "\(left.address) and \(right.address) share an address")
            }
            // A few functions show as much as all the 65536 that one line can ask for.
            let functions = layout.functions.prefix(32)
            var described: [FunctionAddress: FunctionDescription] = [:]
            for function in functions {
                guard isValid(function.description) else { return }
                checkPieces(of: function)
                described[function.address] = function.description
            }
            checkPlaces(of: described)
        }
    }

    private static func read(_ bytes: [UInt8]) -> Layout? {
        do {
            return try JSONDecoder().decode(LayoutFile.self, from: Data(bytes)).layout
        } catch {
            expect(!(error is LayoutError) || !"\(error)".isEmpty, "an error without words")
            return nil
        }
    }

    private static func isValid(_ description: FunctionDescription) -> Bool {
        do throws(DescriptionError) {
            try description.validate()
            return true
        } catch {
            expect(!"\(error)".isEmpty, "an error without words")
            return false
        }
    }

    /// Checks that the pieces of a register cover all of it, in order.
    private static func checkPieces(of function: Layout.Function) {
        for register in function.description.registers {
            let pieces = function.description.pieces(of: register)
            var end: UInt64 = 0
            for piece in pieces {
                expect(piece.offsets.lowerBound == end && piece.size > 0, "\(register) is cut into \(pieces)")
                end = piece.offsets.upperBound
            }
            expect(pieces.isEmpty || end == function.description.size(of: register), "\(register) ends with \(pieces)")
        }
    }

    /// Checks that placed BARs are disjoint, that their registers hold their addresses, and that all of them are decoded there.
    private static func checkPlaces(of functions: [FunctionAddress: FunctionDescription]) {
        guard let places = try? AddressAssigner(apertures).assign(functions) else { return }
        var root = RootComplex()
        for (address, description) in functions {
            expect((try? root.insert(description, at: address)) != nil, "\(address) is valid and refused")
        }
        root.place(places)
        for address in root.addresses {
            guard let function = root[address] else { continue }
            for place in places where place.owner.function == address {
                expect(function.base(of: place.owner.register) == place.base, "\(place) is not in the register")
            }
        }
        expect(root.memory.hiddenCount == 0, "places overlap: \(places)")
        let pieces = functions.values.flatMap { function in function.registers.flatMap { function.pieces(of: $0) } }
        let regions = root.memory.regions
        expect(regions.count == pieces.count, "\(pieces.count) pieces, \(regions.count) regions")
    }

    private static func range(_ addresses: ClosedRange<UInt64>) -> GuestRange {
        guard
            let range = GuestRange(
                first: GuestAddress(addresses.lowerBound), last: GuestAddress(addresses.upperBound))
        else { fatalError("\(addresses) is a constant") }
        return range
    }
}

@_cdecl("fuzzer")
public func fuzzer() {
    LayoutFuzzer.start()
}
