internal import Host
public import Images
public import Memslots

/// A guest as it comes in a file: the bytes of the file, and the image that they are.
public struct GuestImage: Sendable {
    /// The format, the entry and the segments, which refer to the bytes.
    public let image: Image
    /// The bytes of the file.
    public let bytes: [UInt8]

    /// Reads the bytes of a file. They are a kernel for multiboot, Linux's boot protocol or PVH, an ELF file, or else a flat binary.
    ///
    /// - Parameters:
    ///   - reading: The format to take the bytes for, or nil to recognise it.
    ///   - address: The address at which a flat binary is loaded and started.
    /// - Throws: What is wrong with the file.
    public init(
        _ bytes: [UInt8], as reading: Image.Reading? = nil,
        flatAt address: GuestAddress = MachineConfiguration.defaultLoadAddress
    ) throws(MachineError) {
        do { image = try Image.load(bytes, as: reading, flatLoadAddress: address) } catch { throw .image(error) }
        self.bytes = bytes
    }

    /// Reads a file of at most `limit` bytes, and recognises its format.
    public init(contentsOf path: String, limit: Int = 1 << 30) throws(MachineError) {
        try self.init(try host(try readFile(path, limit: limit)))
    }
}

extension MachineConfiguration {
    /// The size in bytes of the RAM of a machine for Linux, unless told otherwise.
    public static let memoryForLinux: UInt64 = 512 << 20

    /// Creates the configuration of a machine on which an image starts. It has the mode that the image says. It has interrupt
    /// controllers if a boot protocol starts the image.
    public init(for image: Image) {
        let memory: UInt64 =
            switch image.format {
            case .flat, .elf32, .elf64: 16 << 20
            // QEMU gives as much, and test kernels rely on it.
            case .multiboot, .multiboot2: 128 << 20
            case .linux, .pvh: Self.memoryForLinux
            }
        self.init(
            memory: memory, mode: image.mode ?? .long, interruptController: image.format.isKernel ? .kernel : .none)
    }
}

extension GuestMachine {
    /// Makes a machine with a guest.
    ///
    /// - Parameters:
    ///   - configuration: The parts of the machine, or nil for those that suit the image (`MachineConfiguration.init(for:)`).
    ///   - consoleOutput: A closure that takes what the guest prints. Threads of vCPUs call it, one at a time.
    public convenience init(
        _ guest: GuestImage, _ configuration: MachineConfiguration? = nil,
        consoleOutput: @escaping ConsoleOutput = { _, _ in }
    ) throws(MachineError) {
        try self.init(
            configuration ?? MachineConfiguration(for: guest.image), image: guest.image, bytes: guest.bytes,
            consoleOutput: consoleOutput)
    }
}
