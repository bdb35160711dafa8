internal import Host
internal import KVM
internal import Memslots
internal import PCI
internal import VFIO

/// The functions of the host that a machine has by VFIO: their groups, and the addresses that they use for DMA.
///
/// All functions share one container, so that RAM is pinned once. As an observer of memory it lets them reach RAM, and the BARs of each
/// other where the IOMMU takes these.
final class VFIOContainer: Sendable {
    /// The functions that were opened, by their addresses in the machine.
    let devices: [FunctionAddress: VFIOFunction]
    let container: Container
    private let groups: [OwnedGroup]
    let state = Lock(State())

    struct State {
        /// The host addresses of backings, by their ids.
        var hostAddresses: [UInt64] = []
        /// The BARs that the IOMMU did not take.
        var refused: Set<GuestRange> = []
    }

    private final class OwnedGroup: Sendable {
        let group: Group

        init(_ group: consuming Group) { self.group = group }
    }

    /// Opens functions of the host. KVM hears of each group before a function of it is opened.
    ///
    /// - Parameter names: The functions as the kernel names them, by their addresses in the machine.
    init(_ names: [FunctionAddress: String], for vm: borrowing VirtualMachine) throws(MachineError) {
        let known = try kvm(try AssignedGroups(of: vm))
        let host = HostFunctions()
        let container: Container
        var groups: [OwnedGroup] = []
        var devices: [FunctionAddress: VFIOFunction] = [:]
        do throws(VFIOError) { container = try Container() } catch { throw .vfio(error) }
        for (address, name) in names.sorted(by: { $0.key < $1.key }) {
            let owned: OwnedGroup
            do throws(VFIOError) {
                let function = try host.named(name)
                if let group = groups.first(where: { $0.group.number == function.group }) {
                    owned = group
                } else {
                    owned = OwnedGroup(try Group(of: function, among: host, in: container, isFirst: groups.isEmpty))
                }
            } catch {
                throw .vfio(error)
            }
            if groups.last !== owned, !groups.contains(where: { $0 === owned }) {
                groups.append(owned)
                try kvm(try known.add(owned.group.file))
            }
            do throws(VFIOError) { devices[address] = VFIOFunction(try VFIODevice(name, of: owned.group)) } catch {
                throw .vfio(error)
            }
        }
        self.groups = groups
        self.devices = devices
        self.container = container
    }

    /// Adds the functions, with what can be mapped of them, to the configuration of a machine.
    func addFunctions(to configuration: inout MachineConfiguration) throws(MachineError) {
        for (address, function) in devices.sorted(by: { $0.key < $1.key }) {
            let areas = try Machine.host(try function.areas()).map { region, area, memory in
                (region, area, configuration.add(memory))
            }
            do throws(DescriptionError) {
                let description = try function.device.record.functionDescription()
                configuration.functions[address] = VFIOModel(
                    description: description, function: function, areas: areas)
            } catch {
                throw .description(address, error)
            }
        }
    }

    /// Throws the first rule that mapping these ranges for DMA would break, before any of them is mapped.
    func check(_ ranges: [GuestRange]) throws(MachineError) {
        do throws(VFIOError) { try container.checkRules(for: ranges) } catch { throw .vfio(error) }
    }

    /// Tells where the host has the memory of each backing, before the first mapping.
    func setHostAddresses(_ addresses: [UInt64]) {
        state.withLock { $0.hostAddresses = addresses }
    }
}
