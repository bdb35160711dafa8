public import Host
public import PCI
internal import SystemPackage

/// The reason why a function of the host cannot be assigned. The text says what was asked, and which rule or limit was met.
public struct VFIOError: Error, Hashable, Sendable {
    /// The function as the kernel names it, such as `0000:01:00.0`, or nil if the error is not about one function.
    public var function: String?
    /// The number of the function's IOMMU group, if it is known.
    public var group: Int?
    /// The obstacle.
    public var cause: Cause

    /// An obstacle to an assignment.
    public enum Cause: Hashable, Sendable {
        /// There is no such function.
        case noFunction
        /// The function is a bridge, which no guest can have.
        case bridge
        /// The function is in no IOMMU group.
        case noGroup
        /// Other functions of the group have drivers that are not VFIO's, by the functions' names. The list is empty if only the
        /// kernel knows which drivers these are.
        case notViable(drivers: [String: String])
        /// The kernel has VFIO, but not in the form that is needed. The text says why.
        case api(String)
        /// A rule of DMA would be broken.
        case rule(DMAViolation)
        /// The kernel refused a call.
        case host(HostError)
        /// The kernel's description of the function makes no sense.
        case information(DeviceInfoError)
    }

    init(_ cause: Cause, of function: String? = nil, group: Int? = nil) {
        self.function = function
        self.group = group
        self.cause = cause
    }
}

extension VFIOError: CustomStringConvertible {
    /// The function and its group, if they are known, and the obstacle.
    public var description: String {
        let place = [function, group.map { "group \($0)" }].compactMap(\.self).joined(separator: ", ")
        return place.isEmpty ? "VFIO: \(cause)" : "VFIO, \(place): \(cause)"
    }
}

extension VFIOError.Cause: CustomStringConvertible {
    /// The obstacle in words.
    public var description: String {
        switch self {
        case .noFunction: "the host has no such function (the kernel names them like 0000:01:00.0)"
        case .bridge: "it is a bridge, which cannot be assigned: assign the functions behind it"
        case .noGroup: "it is in no IOMMU group: the host has no IOMMU, or the IOMMU is off"
        case .notViable(let drivers) where drivers.isEmpty:
            "the kernel says that the group is not viable: another of its functions has a driver of the host"
        case .notViable(let drivers):
            "other functions of the group have drivers of the host: "
                + drivers.sorted { $0.key < $1.key }.map { "\($0.key) has \($0.value)" }.joined(separator: ", ")
        case .api(let text): text
        case .rule(let violation): "\(violation)"
        case .host(let error):
            switch error.errno {
            case .resourceBusy: "\(error); another process has it"
            case .noSuchFileOrDirectory: "\(error); no function of the group has the driver vfio-pci"
            default: "\(error)"
            }
        case .information(let error): "\(error)"
        }
    }
}

/// Returns the result of a call. If the kernel refuses the call, throws an error that names the function.
@discardableResult
func vfio<Result: ~Copyable>(
    _ call: @autoclosure () throws(HostError) -> Result, of function: String? = nil, group: Int? = nil
) throws(VFIOError) -> Result {
    do { return try call() } catch { throw VFIOError(.host(error), of: function, group: group) }
}
