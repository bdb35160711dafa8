internal import Host
public import Images
public import Memslots

/// A guest as it comes in a file: the file's bytes, and what they are.
public struct GuestImage: Sendable {
    /// The format, the entry and the segments, which refer to the bytes.
    public let image: Image
    /// The bytes of the file.
    public let bytes: [UInt8]

    /// Reads the bytes of a file as what they are: a kernel for multiboot, Linux's boot protocol or PVH, an ELF file, or else a flat binary.
    ///
    /// - Parameters:
    ///   - reading: What to take the bytes for, whatever they look like.
    ///   - address: The address at which a flat binary is loaded and started.
    /// - Throws: What is wrong with the file.
    public init(
        _ bytes: [UInt8], as reading: Image.Reading? = nil,
        flatAt address: GuestAddress = MachineConfiguration.defaultLoadAddress
    ) throws(MachineError) {
        do { image = try Image.load(bytes, as: reading, flatLoadAddress: address) } catch { throw .image(error) }
        self.bytes = bytes
    }

    /// Reads a file of at most `limit` bytes as what it is.
    public init(contentsOf path: String, limit: Int = 1 << 30) throws(MachineError) {
        try self.init(try host(try readFile(path, limit: limit)))
    }
}

extension MachineConfiguration {
    /// The RAM in bytes of a machine for Linux, unless told otherwise.
    public static let memoryForLinux: UInt64 = 512 << 20

    /// Creates the configuration of a machine on which an image starts: with the mode that the image says, and with interrupt controllers for
    /// kernels that a boot protocol starts.
    public init(for image: Image) {
        let memory: UInt64 =
            switch image.format {
            case .flat, .elf32, .elf64: 16 << 20
            // As much as QEMU gives, which test kernels rely on.
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
    ///   - consoleOutput: Takes what the guest prints. It is called by threads of vCPUs, one at a time.
    public convenience init(
        _ guest: GuestImage, _ configuration: MachineConfiguration? = nil,
        consoleOutput: @escaping ConsoleOutput = { _, _ in }
    ) throws(MachineError) {
        try self.init(
            configuration ?? MachineConfiguration(for: guest.image), image: guest.image, bytes: guest.bytes,
            consoleOutput: consoleOutput)
    }
}
