/// What `lspci -vvv` prints of machines that do not exist, as far as the reader looks at it.
public enum LspciText {
    /// Four GPUs, two network cards and two disk controllers behind a bridge each.
    public static func workstation(gpuMemory: String = "256M") -> String {
        ["01", "41", "c1", "e1"].map { gpu("\($0):00.0", memory: gpuMemory) }.joined()
            + ["21", "81"].map { network("\($0):00.0") }.joined()
            + ["71", "b1"].map { disks("\($0):00.0") }.joined()
            + bridge("00:01.0")
    }

    /// Three BARs, ports and a ROM: four mapped pieces.
    public static func gpu(_ address: String, memory: String = "256M") -> String {
        """
        \(address) VGA compatible controller: Example Graphics Adapter (rev a1) (prog-if 00 [VGA controller])
        \tSubsystem: Example Graphics Adapter
        \tControl: I/O+ Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+
        \tStatus: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR- INTx-
        \tLatency: 0
        \tRegion 0: Memory at f8000000 (32-bit, non-prefetchable) [size=16M]
        \tRegion 1: Memory at 3f000000000 (64-bit, prefetchable) [size=\(memory)]
        \tRegion 3: Memory at 40000000000 (64-bit, prefetchable) [size=32M]
        \tRegion 5: I/O ports at 2000 [size=128]
        \tExpansion ROM at f9000000 [virtual] [disabled] [size=512K]
        \tCapabilities: [68] MSI: Enable+ Count=1/4 Maskable- 64bit+
        \t\tAddress: 00000000fee0e000  Data: 0037
        \tCapabilities: [bb0 v1] Physical Resizable BAR
        \t\tBAR 0: current size: 16MB, supported: 16MB
        \tKernel driver in use: example


        """
    }

    /// A BAR that two pages of MSI-X split, a ROM, and virtual functions: three mapped pieces and a trapped one.
    public static func network(_ address: String) -> String {
        """
        \(address) Ethernet controller [0200]: Example Ethernet [1af4:1041] (rev 02)
            Control: I/O- Mem+ BusMaster+
            Status: Cap+ 66MHz-
            Region 0: Memory at 500aa000000 (64-bit, prefetchable) [size=32M]
            Expansion ROM at b8100000 [disabled] [size=1M]
            Capabilities: [48] Vital Product Data
                Read-only fields:
                    [PN] Part number: 0815

            Capabilities: [9c] MSI-X: Enable+ Count=64 Masked-
                Vector table: BAR=0 offset=00002000
                PBA: BAR=0 offset=00003000
            Capabilities: [180 v1] Single Root I/O Virtualization (SR-IOV)
                Initial VFs: 16, Total VFs: 16, Number of VFs: 0, Function Dependency Link: 00
                VF offset: 2, stride: 1, Device ID: 101e
                Region 0: Memory at 00000500ae000000 (64-bit, prefetchable)
                VF Migration: offset: 00000000, BIR: 0


        """
    }

    /// Ports, a BAR below a page, and a ROM: a mapped and a trapped piece.
    public static func disks(_ address: String) -> String {
        """
        \(address) RAID bus controller: Example Disks (rev 01)
        \tStatus: Cap-
        \tRegion 0: I/O ports at 7050 [size=8]
        \tRegion 1: I/O ports at 7040 [size=4]
        \tRegion 4: I/O ports at 7000 [size=32]
        \tRegion 5: Memory at c6810000 (32-bit, non-prefetchable) [size=2K]
        \tExpansion ROM at c6800000 [disabled] [size=64K]


        """
    }

    public static func bridge(_ address: String) -> String {
        """
        \(address) PCI bridge: Example Port (prog-if 00 [Normal decode])
        \tStatus: Cap+
        \tRegion 0: Memory at 92f00000 (32-bit, non-prefetchable) [size=4K]
        \tBus: primary=00, secondary=01, subordinate=01, sec-latency=0
        \tMemory behind bridge: f8000000-f90fffff [size=17M]
        \tPrefetchable memory behind bridge: 0000003f00000000-0000004001ffffff [size=66080M]
        \tCapabilities: [40] Express (v2) Root Port (Slot+), MSI 00


        """
    }

    /// All that is odd, but not wrong: every way in which lspci says that something has no address.
    public static let oddities = """
        10000:e1:00.0 Non-Volatile memory controller: Example
        \tStatus: Cap-
        \tRegion 0: Memory at <unassigned> (64-bit, non-prefetchable) [disabled] [size=16K]
        \tRegion 2: [virtual] Memory at fc000000 (32-bit, non-prefetchable) [size=8K]
        \tRegion 3: I/O ports at <ignored> [disabled] [size=16]
        \tRegion 4: [enhanced] Memory at 843000000000 (32-bit, non-prefetchable) [size=1M]
        \tExpansion ROM at <ignored> [disabled] [size=64K]

        10001:e1:00.0 Non-Volatile memory controller: Example
        \tStatus: Cap-
        \tRegion 0: Memory at 10000 (low-1M, prefetchable) [size=4K]

        10001:e1:01.3 Non-Volatile memory controller: Example
        \tStatus: Cap-
        \tRegion 0: Memory at 10000 (type 3, prefetchable) [virtual] [size=4K]


        """
}
