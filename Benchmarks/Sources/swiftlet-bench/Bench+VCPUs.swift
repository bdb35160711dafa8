import Devices
import Floor
import FoundationEssentials
import Images
import Machine
import Pictures

extension Bench {
    /// Compares port exits by the number of vCPUs. Each vCPU reads a device of its own, or all read one. C also has a thread
    /// for each vCPU, and locks a shared device. Writes a table (CSV) and a plot (SVG).
    mutating func vcpus() throws {
        results.begin(
            name, "reads of ports by guests of several vCPUs, their threads in all; C: KVM_RUN and a switch in each")
        var rows: [VCPURow] = []
        for count in [1, 2, 4, 8, 16] {
            let reads = max(500, options.exits / count)
            for isShared in [false, true] {
                let code = TinyGuest.reads(reads, vcpus: count, stride: isShared ? 0 : Int(FLOOR_DEVICE_STRIDE))
                try compare(
                    [
                        Phase(
                            name: "\(count) vCPUs, \(isShared ? "one device" : "a device each")",
                            operations: count * reads, target: isShared ? nil : count < 8 ? 1.10 : 1.15)
                    ], rounds: rounds(5),
                    baseline: { [FloorMachine.run(code, vcpus: count, isShared: isShared)] },
                    swiftlet: { [try Self.run(code, vcpus: count, isShared: isShared, exits: count * reads + 1)] })
                guard let comparison = results.comparisons.last else { continue }
                rows.append(
                    VCPURow(
                        vcpus: count, isShared: isShared, floor: 1 / comparison.baselineSeconds.median,
                        swiftlet: 1 / comparison.swiftletSeconds.median, ratio: comparison.ratio.median))
            }
        }
        let directory = URL(filePath: options.output)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let csv = ([VCPURow.header] + rows.map(\.csv)).joined(separator: "\n") + "\n"
        try Data(csv.utf8).write(to: directory.appending(path: "vcpus.csv"))
        try Data(Plot.exits(rows).text.utf8).write(to: directory.appending(path: "vcpus.svg"))
        results.add(Figure(name, "written into \(options.output)", ["rows": Double(rows.count)]))
    }

    /// Runs a guest whose vCPUs read devices of their own, `reads` times in all.
    static func runAlone(vcpus: Int, reads: Int) throws {
        let each = max(1, reads / vcpus)
        let code = TinyGuest.reads(each, vcpus: vcpus, stride: Int(FLOOR_DEVICE_STRIDE))
        let taken = try run(code, vcpus: vcpus, isShared: false, exits: vcpus * each + 1)
        printOut("\(vcpus * each) reads by \(vcpus) vCPUs: \(time(taken.wall))\n")
    }

    /// Returns the time of a run of the guest, without the making of its machine.
    private static func run(_ code: [UInt8], vcpus: Int, isShared: Bool, exits: Int) throws -> Elapsed {
        var configuration = MachineConfiguration(mode: .protected, vcpus: vcpus, interruptController: .kernel)
        configuration.portDevices = (0..<(isShared ? 1 : vcpus)).map { number in
            AttachedDevice(
                CountingDevice(), at: UInt64(FLOOR_DEVICE_PORT) + UInt64(number) * UInt64(FLOOR_DEVICE_STRIDE), size: 1)
        }
        let image = try Image.flat(byteCount: code.count, at: MachineConfiguration.defaultLoadAddress)
        let machine = try GuestMachine(configuration, image: image, bytes: code, consoleOutput: { _, _ in })
        return try elapsed {
            let report = try machine.run()
            precondition(report.outcome == .exited(0) && report.exits.pio == exits)
        }.wallOnly
    }
}

/// A device with one register that counts its reads.
private struct CountingDevice: Device {
    private var value: UInt8 = 0

    mutating func read(at offset: UInt64, width: AccessWidth) -> DeviceReply {
        defer { value &+= 1 }
        return DeviceReply(UInt64(value))
    }

    mutating func write(_ value: UInt64, at offset: UInt64, width: AccessWidth) -> DeviceEffects { .none }
}

/// Exits per second with a number of vCPUs.
struct VCPURow {
    let vcpus: Int
    let isShared: Bool
    let floor: Double
    let swiftlet: Double
    let ratio: Double

    static let header = "vCPUs,device,C exits/s,swiftlet exits/s,time of C"

    var csv: String {
        "\(vcpus),\(isShared ? "one" : "own"),\(Int(floor)),\(Int(swiftlet)),\(decimal(ratio))"
    }
}

extension Plot {
    /// A plot of exits by the number of vCPUs.
    static func exits(_ rows: [VCPURow]) -> Plot {
        func trace(_ shape: Shape, _ words: String, isShared: Bool, _ value: (VCPURow) -> Double) -> [Trace] {
            let points = rows.filter { $0.isShared == isShared }.map { Point(Double($0.vcpus), value($0)) }
            return [(shape, words, points), (.marks, nil, points)]
        }
        func series(_ name: String, _ value: (VCPURow) -> Double) -> Series {
            (
                name,
                trace(.line, "a device each", isShared: false, value)
                    + trace(.dashes, "one device", isShared: true, value)
            )
        }
        return Plot(
            title: "Port exits in a second, by the number of vCPUs",
            detail:
                "Each vCPU reads a port again and again; medians. C is KVM_RUN and a switch in a thread for each vCPU.",
            x: Axis("vCPUs", words: \.count), y: Axis("exits in a second", words: \.count, margin: 0.05),
            series: [series("C", \.floor), series("Swiftlet", \.swiftlet)])
    }
}
