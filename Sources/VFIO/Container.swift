internal import CVFIO
internal import Host
public import Memslots
public import SystemPackage

/// A VFIO container: the addresses that the devices of its groups use for DMA, and the memory of this process that lies there.
///
/// A container has no IOMMU until its first group joins it (`Group.init`).
public struct Container: ~Copyable, Sendable {
    let descriptor: Descriptor

    /// Creates a container without groups.
    public init() throws(VFIOError) {
        let descriptor = try vfio(try Descriptor(vfio: "/dev/vfio/vfio"))
        let version = try vfio(try check(cvfio_api_version(descriptor.number), "VFIO_GET_API_VERSION", ""))
        guard version == 0 else {
            throw VFIOError(.api("it has version \(version) of its interface, and only version 0 is known"))
        }
        guard try vfio(try check(cvfio_has_type1v2(descriptor.number), "VFIO_CHECK_EXTENSION", "type 1")) > 0 else {
            throw VFIOError(.api("the kernel has no driver for IOMMUs of type 1 (v2): vfio_iommu_type1"))
        }
        self.descriptor = descriptor
    }

    /// Throws an error for the first rule that would be broken if these ranges were mapped. The container must have a group.
    public borrowing func checkRules(for ranges: [GuestRange]) throws(VFIOError) {
        let bytes = try vfio(try descriptor.information(CVFIO_IOMMU, least: 24, "VFIO_IOMMU_GET_INFO"))
        do throws(DMAViolation) {
            try DMALimits(bytes).check(ranges, lockedMemory: KernelLimits.lockedMemory)
        } catch {
            throw VFIOError(.rule(error))
        }
    }

    /// Ends the mapping of a range. Returns 0, or the kernel's errno.
    public borrowing func unmap(_ range: GuestRange) -> Int32 {
        -cvfio_unmap(descriptor.number, range.first.rawValue, range.size)
    }
}

/// An IOMMU group in a container: functions that the IOMMU cannot tell apart, or cannot protect from each other.
public final class Group: Sendable {
    /// The number that the kernel gives the group.
    public let number: Int
    let descriptor: Descriptor

    /// Opens the group of a function and puts it into a container. No other process can have the group while it is open here.
    ///
    /// - Parameters:
    ///   - all: The functions of the host, the other functions of the group included.
    ///   - isFirst: Whether the container has no other group yet, so that the container gets its IOMMU now.
    public init(
        of function: HostFunction, among all: HostFunctions, in container: borrowing Container, isFirst: Bool
    ) throws(VFIOError) {
        guard let number = function.group else { throw VFIOError(.noGroup, of: function.name) }
        @discardableResult
        func group<Result: ~Copyable>(_ call: @autoclosure () throws(HostError) -> Result) throws(VFIOError) -> Result {
            try vfio(try call(), of: function.name, group: number)
        }
        let drivers = all.foreignDrivers(in: number)
        guard drivers.isEmpty else { throw VFIOError(.notViable(drivers: drivers), of: function.name, group: number) }
        let descriptor = try group(try Descriptor(vfio: "\(all.deviceDirectory)/vfio/\(number)"))
        guard try group(try check(cvfio_is_viable(descriptor.number), "VFIO_GROUP_GET_STATUS", "")) != 0 else {
            throw VFIOError(.notViable(drivers: [:]), of: function.name, group: number)
        }
        let joined = cvfio_set_container(descriptor.number, container.descriptor.number)
        try group(try check(joined, "VFIO_GROUP_SET_CONTAINER", ""))
        if isFirst {
            try group(try check(cvfio_set_type1v2(container.descriptor.number), "VFIO_SET_IOMMU", "type 1 (v2)"))
        }
        self.number = number
        self.descriptor = descriptor
    }

    /// The file of the group, lent to KVM. KVM has to know of the group before a device of the group is opened.
    public var file: FileDescriptor { descriptor.file }
}
