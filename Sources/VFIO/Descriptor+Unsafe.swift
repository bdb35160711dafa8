internal import CVFIO
internal import Host
public import Memslots
internal import SystemPackage

// The calls that take pointers. In each of them the kernel, or the C function around it, uses the pointer during the call only.
extension Descriptor {
    /// Opens one of VFIO's files for reading and writing.
    init(vfio path: String) throws(HostError) {
        // SAFETY: the call reads the string, which outlives it.
        try self.init(owning: unsafe cvfio_open(path), "open", path)
    }

    /// Opens a device of the group whose descriptor this is.
    borrowing func openDevice(_ name: String) throws(HostError) -> Descriptor {
        // SAFETY: the call reads the string, which outlives it.
        try Descriptor(owning: unsafe cvfio_open_device(number, name), "VFIO_GROUP_GET_DEVICE_FD", name)
    }

    /// Returns a structure that begins with its own size, together with all of its capabilities.
    ///
    /// - Parameters:
    ///   - least: The size in bytes of the structure without capabilities.
    ///   - index: The number of the region or kind of interrupts. The kernel reads it from the structure, after the size and the
    ///     flags.
    /// - Returns: The bytes of the structure. They are empty if the device does not have that region or kind (EINVAL).
    borrowing func information(
        _ request: cvfio_information, least: Int, index: UInt32? = nil, _ name: String
    ) throws(HostError) -> [UInt8] {
        var size = least
        while true {
            var bytes = [UInt8](repeating: 0, count: size)
            for shift in 0..<2 { bytes[shift] = UInt8(truncatingIfNeeded: size >> (8 * shift)) }
            if let index { bytes[8] = UInt8(truncatingIfNeeded: index) }
            // SAFETY: the kernel writes no more than the size that the first bytes say, which is that of the array.
            let result = unsafe cvfio_get(number, request, &bytes)
            if index != nil, result == -Errno.invalidArgument.rawValue { return [] }
            try check(result, name, index.map { "\($0)" } ?? "")
            let whole = bytes[..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
            // The structure may have grown between two calls, but no description takes 64 KiB.
            guard whole > size, whole < 1 << 16 else { return bytes }
            size = whole
        }
    }

    /// Reads bytes from an offset in the device's file.
    borrowing func read(_ count: Int, at offset: UInt64) throws(HostError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // SAFETY: the call fills the array.
        try check(unsafe cvfio_read(number, offset, &bytes, count), "read", "\(count) bytes at \(offset)")
        return bytes
    }

    /// Writes bytes to an offset in the device's file.
    borrowing func write(_ bytes: [UInt8], at offset: UInt64) throws(HostError) {
        // SAFETY: the call reads as many bytes as the array has.
        try check(
            unsafe cvfio_write(number, offset, bytes, bytes.count), "write", "\(bytes.count) bytes at \(offset)")
    }

    /// Gives eventfds to the interrupts of a kind, from the number `first` on. An interrupt whose event is nil gets none. Without
    /// any events, takes all interrupts of the kind down: none of them has an eventfd any more.
    ///
    /// - Returns: The number of the events. If the kernel grants fewer interrupts, it has not set any, and the result is the number
    ///   that it could grant.
    @discardableResult
    borrowing func setInterrupts(
        _ action: Int, kind: UInt32, from first: Int = 0, events: [SharedDescriptor?]
    ) throws(HostError) -> Int {
        // SAFETY: the descriptors are open as long as their values live, and the kernel keeps references to their files after the
        // call. The call reads as many numbers as the array has.
        let numbers = events.map { unsafe $0?.number ?? -1 }
        let result = unsafe cvfio_set_interrupts(
            number, UInt32(action), kind, UInt32(first), UInt32(numbers.count), numbers.isEmpty ? nil : numbers)
        let set = try check(result, "VFIO_DEVICE_SET_IRQS", "\(events.count) of kind \(kind)")
        return set == 0 ? events.count : Int(set)
    }
}

extension Container {
    /// Lets devices reach memory of this process by DMA, and pins the memory's pages.
    ///
    /// - Parameters:
    ///   - range: The addresses at which devices find the memory.
    ///   - hostAddress: The address of the memory's first byte in this process. The memory must stay mapped in this process as long
    ///     as the range is mapped for DMA.
    /// - Returns: 0, or the kernel's errno. The errno is returned, not thrown, because some callers expect refusals.
    @unsafe
    public borrowing func map(_ range: GuestRange, at hostAddress: UInt64, isWritable: Bool) -> Int32 {
        // SAFETY: the caller keeps the memory mapped.
        -cvfio_map(descriptor.number, hostAddress, range.first.rawValue, range.size, isWritable)
    }
}
