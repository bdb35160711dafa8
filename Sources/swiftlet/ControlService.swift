import FoundationEssentials
import Host
import Layouts
import Machine
import PCI
import SystemPackage
import VFIOUser

/// A service that carries out requests of clients of the control socket. Several threads call it at once.
struct ControlService: Sendable {
    let machine: GuestMachine

    /// Begins to serve a machine at a socket.
    static func serve(_ machine: GuestMachine, at path: String) throws -> LineServer {
        let service = ControlService(machine: machine)
        do { return try LineServer(at: path, responder: service.answer) } catch {
            let advice =
                error.errno == .addressInUse
                ? ": another machine listens there, or the path is not a socket that a dead process of yours has left: remove it, or name another path"
                : ""
            throw failure("--control: \(error)\(advice)", .hostError)
        }
    }

    /// Returns the answer to a line, as a line with its end.
    @Sendable func answer(_ line: Result<LineConnection.Line, LineError>) -> [UInt8] {
        var (asked, reply) = ("", ControlReply())
        do {
            let line = try line.get()
            asked = String(decoding: line.bytes.prefix(80), as: UTF8.self)
            let request = try JSONDecoder().decode(ControlRequest.self, from: Data(line.bytes))
            asked = request.command.rawValue + (request.address.map { " \($0)" } ?? "")
            reply.result = try carryOut(request, line.descriptors.first)
        } catch {
            reply.error = ControlRefusal(error, asked: asked)
        }
        return (try? encodeJSON(reply)) ?? []
    }

    private func carryOut(_ request: ControlRequest, _ descriptor: SharedDescriptor?) throws -> ControlResult {
        var result = ControlResult()
        switch request.command {
        case .add:
            let added = try request.function.map { try add($0, at: request.address, descriptor) }
            (result.function, result.warning) = (added.map { "\($0.address)" }, added?.warning)
        case .remove, .eject:
            try request.address.map { (address) throws(MachineError) in
                try request.command == .remove ? machine.remove(at: address) : machine.requestRemoval(of: address)
            }
            result.function = request.address.map { "\($0)" }
        case .list: result = .functions(of: machine)
        case .slots: result = .slots(of: machine)
        case .map: result = .map(of: machine)
        case .pause: result.held = machine.pause(by: .user)
        case .resume: machine.resume(by: .user)
        case .stop: machine.stop()
        }
        return result
    }

    /// Adds a function at the given address, or at the first free one.
    ///
    /// - Returns: The address of the function, and why the guest may find no room for it.
    private func add(
        _ entry: LayoutEntry, at wanted: FunctionAddress?, _ descriptor: SharedDescriptor?
    ) throws -> (address: FunctionAddress, warning: String?) {
        var device: DeviceProcess?
        switch entry.content {
        case .described: break
        case .assigned(.host(let name)): throw ControlError.functionOfHost(name)
        case .assigned(.process(let path)):
            guard let descriptor else { throw ControlError.notConnected(path) }
            device = try DeviceProcess(connected: descriptor, name: path)
        }
        while true {
            guard let address = wanted ?? .firstFree(beside: machine.functions) else { throw ControlError.noPlace }
            do throws(MachineError) {
                var lack =
                    try device.map { (device) throws(MachineError) in try machine.add(device, at: address) } ?? nil
                if case .described(let description) = entry.content {
                    lack = try machine.add(DescribedFunction(description), at: address)
                }
                return (
                    address,
                    lack.map { "\($0); the guest has to widen the window, or the function stays without addresses" }
                )
            } catch {
                // Another client may have taken the address meanwhile.
                guard wanted == nil, case .hotPlug(_, .taken) = error else { throw error }
            }
        }
    }
}

extension FunctionAddress {
    /// Returns the lowest free device number of bus 0, if there is one. By custom, device 0 is a host bridge.
    static func firstFree(beside taken: [FunctionAddress]) -> FunctionAddress? {
        let devices = Set(taken.filter { $0.busNumber == 0 }.map(\.device))
        return (1..<32).first { !devices.contains($0) }.flatMap { Self(bus: 0, device: $0, function: 0) }
    }
}

extension ControlRefusal {
    fileprivate init(_ error: any Error, asked: String) {
        let ofMachine = error as? MachineError
        kind =
            switch error {
            case MachineError.description, MachineError.assignment, MachineError.board: .function
            case LineError.tooManyClients: .busy
            case is LineError, is DecodingError, is LayoutError: .request
            default: .refused
            }
        (self.asked, rule) = (asked, ofMachine?.rule)
        reason = error is DecodingError ? "the line is no JSON object" : "\(error)"
        advice = ofMachine?.advice ?? (error as? DeviceProcessError)?.advice
    }
}
