internal import Firmware
internal import Images
internal import Memslots

extension GuestMemory {
    /// Writes the guest address of each page in a range to the beginning of the page.
    func label(_ range: GuestRange) {
        for page in 0..<range.pages {
            guard let address = range.first.advanced(by: page << Page.shift) else { return }
            _ = write(littleEndian([address.rawValue]).span, at: address)
        }
    }

    /// Copies the boot data and the image into guest memory.
    func load(
        _ image: Image, bytes: [UInt8], with bootData: [BootData]
    ) throws(MachineError) {
        for data in bootData {
            let range = GuestRange(first: data.address, size: UInt64(data.bytes.count))
            for segment in image.segments where range?.overlaps(segment.range) == true {
                throw .imagePlacement(.overBootData(segment.range, what: data.what, address: data.address))
            }
            guard write(data.bytes.span, at: data.address) else {
                throw .configuration(.tooLittleMemory(what: data.what, address: data.address))
            }
        }
        for segment in image.segments {
            guard isRAM(segment.range), write(bytes.span.extracting(segment.bytes), at: segment.range.first) else {
                throw .imagePlacement(.outsideRAM(segment.range, name: segment.name))
            }
        }
    }

    /// Returns whether a whole range is RAM or extra memory, even where no byte of the image is copied to.
    private func isRAM(_ range: GuestRange) -> Bool {
        parts(of: range.size, at: range.first) != nil
            && space.mappings(in: range).allSatisfy { [.ram, .extra].contains($0.owner) }
    }
}
