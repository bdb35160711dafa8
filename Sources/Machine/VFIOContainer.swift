internal import Host
internal import KVM
internal import Memslots
internal import PCI
internal import VFIO

/// The functions of the host that a machine has by VFIO: their groups, and the ranges of guest memory that they reach by DMA.
///
/// All functions share one container, so that RAM is pinned once.
final class VFIOContainer: Sendable {
    let container: Container
    /// The group of each function in use. A group is there once for each of its functions.
    private let groups: Lock<[Group]>
    /// The groups that KVM has been told of.
    private let groupsOfKVM: AssignedGroups
    /// The addresses of the functions in the machine.
    private let addresses: Set<FunctionAddress>
    let state = Lock(State())

    struct State {
        /// The host addresses of backings, by their ids.
        var hostAddresses: [UInt64] = []
        /// The number of functions that have asked for each range.
        var uses: [GuestRange: Int] = [:]
        /// The ranges that the IOMMU did not take.
        var refused: Set<GuestRange> = []
    }

    /// Opens the groups of functions. KVM hears of each group before a function of the group is opened.
    ///
    /// - Parameter functions: The functions by their addresses in the machine.
    private init(
        _ functions: [FunctionAddress: HostFunction], among host: HostFunctions, for vm: borrowing VirtualMachine
    ) throws(MachineError) {
        let groupsOfKVM = try kvm(try AssignedGroups(of: vm))
        let container = try vfio(try Container())
        var groups: [Group] = []
        for function in functions.values.sorted(by: { $0.name < $1.name }) {
            if let known = groups.first(where: { $0.number == function.group }) {
                groups.append(known)
                continue
            }
            let group = try vfio(try Group(of: function, among: host, in: container, isFirst: groups.isEmpty))
            try kvm(try groupsOfKVM.set(group.file, isKnown: true))
            groups.append(group)
        }
        addresses = Set(functions.keys)
        self.groups = Lock(groups)
        self.groupsOfKVM = groupsOfKVM
        self.container = container
    }

    /// Opens the functions that a configuration names, and adds them to it. Returns nil if it names none.
    static func open(
        _ configuration: inout MachineConfiguration, for vm: borrowing VirtualMachine
    ) throws(MachineError) -> VFIOContainer? {
        guard !configuration.vfio.isEmpty else { return nil }
        let host = HostFunctions()
        var functions: [FunctionAddress: HostFunction] = [:]
        for (address, name) in configuration.vfio { functions[address] = try vfio(try host.assignable(name)) }
        let container = try VFIOContainer(functions, among: host, for: vm)
        for (address, function) in functions.sorted(by: { $0.key < $1.key }) {
            let groups = container.groups.withLock { $0 }
            guard let group = groups.first(where: { $0.number == function.group }) else { continue }
            let device = try VFIOFunction(
                function.name, of: group, in: container, keepsDecode: configuration.decode == .lazy)
            try configuration.add(device, at: address)
        }
        return container
    }

    /// Ends the use of a group by one function, which has been closed. The group is closed if no other function uses it.
    ///
    /// - Parameter number: The number of the group.
    func releaseFunction(of number: Int) {
        groups.withLock { groups in
            guard let index = groups.firstIndex(where: { $0.number == number }) else { return }
            let group = groups.remove(at: index)
            guard !groups.contains(where: { $0 === group }) else { return }
            try? groupsOfKVM.set(group.file, isKnown: false)
        }
    }

    /// Returns whether the container has a function at this address, and other functions beside it.
    func hasPeers(of function: FunctionAddress) -> Bool { addresses.count > 1 && addresses.contains(function) }

    /// Sets the host address of a backing that is added later.
    func setHostAddress(_ address: UInt64, of backing: Int) {
        state.withLock { state in
            state.hostAddresses += Array(repeating: 0, count: max(0, backing + 1 - state.hostAddresses.count))
            state.hostAddresses[backing] = address
        }
    }

    /// Sets the host addresses of all backings.
    ///
    /// - Throws: The first rule that mapping the RAM for DMA would break.
    func prepare(_ hostAddresses: [UInt64], ram: [GuestRange]) throws(MachineError) {
        state.withLock { $0.hostAddresses = hostAddresses }
        try vfio(try container.checkRules(for: ram))
    }
}

/// Returns the result of a call, and throws a refusal by VFIO as a machine error.
func vfio<Result: ~Copyable>(_ call: @autoclosure () throws(VFIOError) -> Result) throws(MachineError) -> Result {
    do { return try call() } catch { throw .vfio(error) }
}
